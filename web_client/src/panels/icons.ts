/** The page's icons. */
import { svg, type TemplateResult } from "lit";

/** Three bars about a line: the mark of the page, as in favicon.svg. */
export const logo: TemplateResult = svg`
  <rect x="2" y="9" width="8" height="14" rx="2.5" fill="var(--blue)"/>
  <rect x="12" y="4" width="8" height="24" rx="2.5" fill="var(--red)"/>
  <rect x="22" y="12" width="8" height="8" rx="2.5" fill="var(--muted)" opacity=".55"/>`;

const RAYS = [0, 45, 90, 135, 180, 225, 270, 315];

/** Signs of the themes, for a view box of 16. */
export const themeSigns = {
  system: svg`
    <circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/>
    <path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" fill="currentColor"/>`,
  light: svg`
    <circle cx="8" cy="8" r="3.2" fill="currentColor"/>
    ${RAYS.map((angle) => svg`
      <path d="M8 .8v2.3" transform="rotate(${angle} 8 8)" stroke="currentColor" stroke-width="1.4" stroke-linecap="round"/>`)}`,
  dark: svg`<path d="M13.6 9.9A6 6 0 0 1 6.1 2.4a6 6 0 1 0 7.5 7.5z" fill="currentColor"/>`,
};

/** An i in a circle, for a view box of 16. */
export const infoSign: TemplateResult = svg`
  <circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="1.4"/>
  <path d="M8 7.2v4.2M8 4.4v1.4" stroke="currentColor" stroke-width="1.5"/>`;

/** A magnifier, for a view box of 16. */
export const searchSign: TemplateResult = svg`
  <circle cx="6.8" cy="6.8" r="4.3" fill="none" stroke="currentColor" stroke-width="1.5"/>
  <path d="M10 10l4 4" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/>`;

/** Cells of different strength. */
export const heatmapSign: TemplateResult = svg`${[0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => svg`
  <rect x=${1.5 + column * 4.5} y=${1.5 + row * 4.5} width="4" height="4" fill="currentColor" opacity=${[1, 0.25, 0.55, 0.35, 0.8, 0.2, 0.6, 0.3, 0.9][row * 3 + column]}/>`))}`;

/** A pin, for a view box of 9 x 11. */
export const pinSign: TemplateResult = svg`<path d="M2.5.5h4v3.6l1.6 2.1H.9l1.6-2.1zM4.5 6.2v4.3" fill="currentColor" stroke="currentColor"/>`;

/** Two columns of text. */
export const compareSign: TemplateResult = svg`
  <rect x="1.5" y="2.5" width="5.5" height="11" rx="1" fill="none" stroke="currentColor" stroke-width="1.4"/>
  <rect x="9" y="2.5" width="5.5" height="11" rx="1" fill="none" stroke="currentColor" stroke-width="1.4"/>
  <path d="M10.8 6h2M10.8 8.5h2" stroke="currentColor" stroke-width="1.2"/>`;
