// The one place where a text becomes markup: pages of ours that htmx has fetched. On all pages of the console the browser
// refuses to read a text as markup or as a script (Trusted Types), but for what this module has let through.

const REFUSED = "script, iframe, frame, object, embed, base, portal, link, meta[http-equiv]";
const REFUSED_ATTRIBUTE = /^(on|srcdoc$|(data-)?hx-(?!boost$))/i; // our templates use hx-boost alone
const RUNS = /^\s*(javascript|data|vbscript):/i;

// From now on htmx gets cleaned pages. Browsers without Trusted Types get them cleaned as well.
export function guardMarkup() {
  const policy = globalThis.trustedTypes?.createPolicy("integra-console", { createHTML: (text) => text });
  // htmx reads pages with this function where there is one; nothing else is given the policy.
  Document.parseHTMLUnsafe = (text) => {
    const parsed = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
    clean(parsed);
    return parsed;
  };
}

// Takes out of a tree, also of the templates in it, what runs by itself.
function clean(root) {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(REFUSED)) {
      element.remove();
      continue;
    }
    for (const { name, value } of [...element.attributes]) {
      if (REFUSED_ATTRIBUTE.test(name) || RUNS.test(value)) element.removeAttribute(name);
    }
    if (element.content instanceof DocumentFragment) clean(element.content);
  }
}
