// Single-key shortcuts. They are silent while a control has the focus that uses the key itself, and can be turned off.

const TYPING = "input:not([type=checkbox], [type=range]), select, textarea, [contenteditable]";
const PRESSED = "button, a, summary, input, [role=button], [role=radio]"; // Space belongs to these

let enabled = true;

/** Turns all single-key shortcuts on or off. */
export const allowShortcuts = (allowed) => (enabled = allowed);

/** Within `scope`, a key does what `deeds` says; nothing happens while `node` is not shown. */
export function shortcuts(node, scope, deeds) {
  scope.addEventListener("keydown", (event) => {
    if (!enabled || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!deed || !node.isConnected || event.target.closest?.(TYPING)) return;
    if (event.key === " " && event.target.closest?.(PRESSED)) return;
    event.preventDefault();
    deed();
  });
}
