// Why an object of the protocol is not accepted: `kind` for the phrase that a page shows, `reason` for the field or rule.

export class ProtocolError extends Error {
  constructor(kind, reason) {
    super(kind + ": " + reason);
    this.kind = kind;
    this.reason = reason;
  }
}

const kind = (name) =>
  class extends ProtocolError {
    constructor(reason) {
      super(name, reason);
    }
  };

export const Malformed = kind("malformed"); // a field does not have its format
export const Altered = kind("altered"); // a signature, hash, seal or rule does not verify: nothing shown, nothing sent
export const WrongKey = kind("wrong_key"); // the key sealed to this reader is not that of the epoch
export const Expired = kind("expired"); // the list of readers is no longer in force
export const WrongClock = kind("clock"); // the list is of a later day than this device's clock
export const Refused = kind("refused"); // what is to be written would break a rule
