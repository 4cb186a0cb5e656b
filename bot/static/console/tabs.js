// What the tabs of one browser tell each other, as they share the session: that an officer signed in, or signed out.

const channel = "BroadcastChannel" in window ? new BroadcastChannel("integra:console") : null;

export const tellSignedIn = (officer) => channel?.postMessage(officer);
export const tellSignedOut = () => channel?.postMessage(null);

// Runs `react` with the officer who is signed in from now on, or null.
export function listen(react) {
  channel?.addEventListener("message", ({ data }) => react(data));
}
