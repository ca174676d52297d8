/** The commands that share the page and start it over. */
import type { Command, Workbench } from "../workbench";
import { type Address, linkTo } from "./address";
import { copy } from "./download";
import type { Showing } from "./showing";

export function shareCommands(workbench: Workbench, showing: Showing, address: Address): Command[] {
  return [
    { id: "share.link", title: "Copy link", group: "Share", run: () => void copyLink(workbench, showing) },
    {
      id: "page.start-over", title: "Start over", group: "Page",
      run: () => {
        address.forget();
        void showing.replace(() => showing.startOver(), "Started over.");
      },
    },
  ];
}

async function copyLink({ notices }: Workbench, showing: Showing): Promise<void> {
  const state = showing.describe();
  if (state === null) {
    notices.notify("The page is changing. Copy the link again in a moment.");
    return;
  }
  const link = linkTo(state);
  try {
    await copy("text/plain", link.then((address) => {
      if (address === null) throw new RangeError("too long"); // leaves the clipboard as it is
      return new Blob([address], { type: "text/plain" });
    }));
    notices.notify("The link was copied.");
  } catch {
    notices.notify(await link === null ? "This text is too long for a link. Export it, or send it as a file."
      : "The browser does not let this page copy. Copy the page's address instead.");
  }
}
