// Elements made of values: text stays text, whatever it holds. And the little Markdown that descriptions use.

/** Return an element; children are elements, texts, lists of them, or nothing. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value != null) made.setAttribute(attribute, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

/** Return text in which `code` and **bold** are marked up. */
export function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part, index) => {
    if (index % 2 === 0) return part;
    return part[0] === "`" ? el("code", {}, part.slice(1, -1)) : el("strong", {}, part.slice(2, -2));
  });
}

/** Return the blocks of a Markdown text: headings of this level, paragraphs, lists, code. */
export function blocks(text, heading = "h2", slug = (title) => title) {
  return text.split(/```\w*\n([\s\S]*?)\n```/).flatMap((part, index) =>
    index % 2 ? code(part) : part.split(/\n{2,}/).filter((block) => block.trim()).map((block) => made(block.trim(), heading, slug)));
}

function made(block, heading, slug) {
  if (block.startsWith("## ")) return el(heading, { id: slug(block.slice(3)) }, block.slice(3));
  if (/^\d+\. /.test(block)) return el("ol", {}, items(block, /\n(?=\d+\. )/));
  if (block.startsWith("- ")) return el("ul", {}, items(block, /\n(?=- )/));
  return el("p", {}, inline(block.replace(/\s*\n\s*/g, " ")));
}

const items = (block, between) =>
  block.split(between).map((item) => el("li", {}, inline(item.replace(/^(\d+\.|-) /, "").replace(/\s*\n\s*/g, " "))));

/** Return code with a button that copies it. */
export function code(text, title = "") {
  const pre = el("pre", { tabindex: 0 }, el("code", {}, text));
  const button = el("button", { type: "button", "aria-label": `Copy ${title}`.trim() }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text, pre)) ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return el("figure", {}, el("figcaption", {}, el("span", {}, title), button), pre);
}

/** Copy a text; on plain HTTP a browser has no clipboard, and the text is selected instead. */
async function copied(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy");
  }
}
