// The colleagues to choose from, as boxes to tick.

import { $, filled } from "./page.js";

// Draws the boxes into `form`; whom it had ticked before stays ticked.
export function showRecipients(form, ids, { byId }) {
  const before = recipients(form);
  $("[data-recipients]", form).replaceChildren(
    ...ids.map((id) => {
      const label = filled("#recipient", { name: byId.get(id).join.name });
      Object.assign($("input", label), { value: id, checked: before.includes(id) });
      return label;
    }),
  );
}

export const recipients = (form) =>
  [...form.querySelectorAll("[data-recipients] input:checked")].map(({ value }) => value);
