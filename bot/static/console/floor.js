// What this device has seen of an officer's notebook and lists: numbers that only rise, so that a server which shows
// older ones is noticed even where the notebook itself is older. A device that never saw the officer has no floor.

const NONE = { version: 0, serial: 0 };
const place = (id) => "integra:floor:" + id;

export function floorOf(id) {
  try {
    return { ...NONE, ...JSON.parse(localStorage.getItem(place(id))) };
  } catch {
    return NONE; // storage is closed to this page, or holds something else
  }
}

// After a restore, which the officer has had confirmed by other means, what was seen before it cannot come back.
export function forgetFloor(id) {
  try {
    localStorage.removeItem(place(id));
  } catch {
    // no storage: there is no floor
  }
}

export function raiseFloor(id, { version, serial }) {
  const floor = floorOf(id);
  const raised = { version: Math.max(floor.version, version), serial: Math.max(floor.serial, serial) };
  try {
    localStorage.setItem(place(id), JSON.stringify(raised));
  } catch {
    // no storage: the notebook alone remembers
  }
}
