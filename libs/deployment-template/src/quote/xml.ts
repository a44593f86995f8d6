const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#13;',
}

/** The text as an element's content (XML 1.0, 2.4). Characters that no XML document may hold (2.2)
 *  become U+FFFD: no reader would take the document with them. */
export function quoteXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replaceAll(/[&<>"'\r]/g, (found) => ENTITIES[found] ?? found)
}

/** An element of AutoYaST: its kind is the attribute `config:type` that YaST reads. */
export type XmlNode =
  | { readonly name: string; readonly text: string; readonly kind?: 'symbol' | 'integer' }
  | { readonly name: string; readonly flag: boolean }
  | { readonly name: string; readonly children: readonly XmlNode[]; readonly list?: true }

/** Lines of the element, two blanks a level. */
export function xmlLines(node: XmlNode, depth = 0): readonly string[] {
  const indent = '  '.repeat(depth)
  if ('flag' in node) {
    return [`${indent}<${node.name} config:type="boolean">${node.flag}</${node.name}>`]
  }
  if ('text' in node) {
    const kind = node.kind === undefined ? '' : ` config:type="${node.kind}"`
    return [`${indent}<${node.name}${kind}>${quoteXml(node.text)}</${node.name}>`]
  }
  const kind = node.list === true ? ' config:type="list"' : ''
  return [
    `${indent}<${node.name}${kind}>`,
    ...node.children.flatMap((child) => xmlLines(child, depth + 1)),
    `${indent}</${node.name}>`,
  ]
}
