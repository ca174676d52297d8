/** Defines `<neuro-scope>`. */
import { NeuroScope } from "./element";

if (customElements.get("neuro-scope") === undefined) customElements.define("neuro-scope", NeuroScope);
