/** An element with what is in it. Attributes are passed over: nothing that is read here has one that matters. */
export interface XmlElement {
  readonly name: string;
  /** Of the element itself, without that of its children. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const limits = { depth: 8, elements: 50_000 };
const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const token =
  /<(?<closing>\/)?(?<name>[A-Za-z][A-Za-z0-9]{0,63})(?<attributes>(?:\s+[A-Za-z][\w:.-]{0,63}="[^"<]{0,500}")*)\s*(?<empty>\/)?>|(?<text>[^<]+)/y;

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/**
 * The root element of a document as a storage server writes it: elements and text, without document types, comments,
 * CDATA and entities of its own. Undefined for everything else, and for what is deeper or longer than a list can be.
 */
export function parseXml(document: string): XmlElement | undefined {
  const body = document.replace(/^\uFEFF?\s*(?:<\?xml [^?<>]{0,200}\?>)?\s*/, "").trimEnd();
  const top: OpenElement = { name: "", text: "", children: [] };
  const open: OpenElement[] = [top];
  let count = 0;
  for (token.lastIndex = 0; token.lastIndex < body.length; ) {
    const groups = token.exec(body)?.groups;
    if (groups === undefined || ++count > limits.elements * 3) return undefined;
    if (!(groups["text"] === undefined ? tag(open, groups) : addText(open, groups["text"]))) return undefined;
  }
  const complete = open.length === 1 && top.children.length === 1 && top.text === "";
  return complete ? top.children[0] : undefined;
}

/** Each of these says whether the document is still one. */
function tag(open: OpenElement[], groups: Readonly<Record<string, string | undefined>>): boolean {
  const { name = "", closing, empty, attributes = "" } = groups;
  if (closing !== undefined) return attributes === "" && empty === undefined && close(open, name);
  if (open.length > limits.depth || (open.length === 1 && open[0]?.children.length === 1)) return false;
  open.push({ name, text: "", children: [] });
  return empty === undefined || close(open, name);
}

function close(open: OpenElement[], name: string): boolean {
  const element = open.length > 1 ? open.pop() : undefined;
  if (element?.name !== name) return false;
  open.at(-1)?.children.push(element);
  return true;
}

function addText(open: readonly OpenElement[], raw: string): boolean {
  const element = open.at(-1);
  const text = decode(raw);
  if (element === undefined || text === undefined) return false;
  element.text += text;
  return true;
}

function decode(raw: string): string | undefined {
  let known = true;
  const text = raw.replace(/&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{1,8})?;?/g, (whole, body: string = "") => {
    const code = body.startsWith("#x") ? Number.parseInt(body.slice(2), 16) : Number(body.slice(1));
    const meant = body.startsWith("#") && code <= 0x10ffff ? String.fromCodePoint(code) : entities[body];
    known &&= whole.endsWith(";") && meant !== undefined;
    return meant ?? "";
  });
  return known ? text : undefined;
}
