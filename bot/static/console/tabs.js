// What the tabs of one browser tell each other, as they share the session: that an officer signed in, or signed out.

const channel = "BroadcastChannel" in window ? new BroadcastChannel("integra:console") : null;

export const tellSignedIn = (officer) => channel?.postMessage(officer);
export const tellSignedOut = () => channel?.postMessage(null);

// Runs `told` with the officer who is signed in from now on, or null.
export function listen(told) {
  channel?.addEventListener("message", ({ data }) => told(data));
}
