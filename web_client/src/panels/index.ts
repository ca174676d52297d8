/** Registers the page's elements. */
import { Announcer } from "./announcer";
import { ComparePanel } from "./compare";
import { DiscoverPanel } from "./discover";
import { Disclosure } from "./disclosure";
import { Dock } from "./dock";
import { EditorPanel } from "./editor";
import { FocusPanel } from "./focus";
import { HelpPanel } from "./help";
import { MenuButton } from "./menu";
import { HeatmapPanel } from "./heatmap";
import { LatencyPanel } from "./latency";
import { ModelFactsPanel } from "./model-facts";
import { NeuronsPanel } from "./neurons";
import { NoticesPanel } from "./notices";
import { PalettePanel } from "./palette";
import { RangeControl } from "./range";
import { SidePanel } from "./side";
import { StatusPanel } from "./status";
import { Strip } from "./strip";
import { TopPanel } from "./top";

export { EditorPanel };

export function definePanels(): void {
  customElements.define("neuro-top", TopPanel);
  customElements.define("neuro-menu", MenuButton);
  customElements.define("neuro-focus", FocusPanel);
  customElements.define("neuro-compare", ComparePanel);
  customElements.define("neuro-editor", EditorPanel);
  customElements.define("neuro-announcer", Announcer);
  customElements.define("neuro-disclosure", Disclosure);
  customElements.define("neuro-latency", LatencyPanel);
  customElements.define("neuro-model-facts", ModelFactsPanel);
  customElements.define("neuro-dock", Dock);
  customElements.define("neuro-heatmap", HeatmapPanel);
  customElements.define("neuro-strip", Strip);
  customElements.define("neuro-range", RangeControl);
  customElements.define("neuro-side", SidePanel);
  customElements.define("neuro-neurons", NeuronsPanel);
  customElements.define("neuro-discover", DiscoverPanel);
  customElements.define("neuro-status", StatusPanel);
  customElements.define("neuro-notices", NoticesPanel);
  customElements.define("neuro-palette", PalettePanel);
  customElements.define("neuro-help", HelpPanel);
}
