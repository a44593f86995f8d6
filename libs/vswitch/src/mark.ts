/** How Purlin knows its own things. In the database a mark is a key of `external_ids`; on a link
 *  it is the alias, `KEY=NAME`. What has no mark is never changed. */
export const SWITCH_MARK = 'purlin:switch'
export const UPLINK_MARK = 'purlin:uplink'
export const PORT_MARK = 'purlin:port'
export const PORT_GROUP_MARK = 'purlin:port-group'
export const ROUTER_MARK = 'purlin:router'
/** Of a part of a switch and of the ports that belong to its making: `PART:SWITCH`. */
export const PART_MARK = 'purlin:part'
/** Of a mirror and its port: `SWITCH:MIRROR`. */
export const MIRROR_MARK = 'purlin:mirror'

/** Beside the mark of a bridge: the record of its flows, by which the next agent knows them. */
export const FLOWS_KEY = 'purlin:flows'

/** Beside the mark of a switch: which of its uplinks work, and which are tried. */
export const UPLINKS_KEY = 'purlin:uplinks'

/** The text of a part's mark. */
export function partMark(part: string, switchName: string): string {
  return `${part}:${switchName}`
}

/** The switch that a part's mark names; undefined where it names none. */
export function switchOfMark(mark: string | undefined): string | undefined {
  const cut = mark?.indexOf(':') ?? -1
  return cut < 0 ? undefined : mark?.slice(cut + 1)
}

/** The alias of a link that belongs to `name`. */
export function aliasOf(mark: string, name: string): string {
  return `${mark}=${name}`
}

/** Whose link it is, by its alias; undefined where the alias is none of that mark. */
export function nameOfAlias(mark: string, alias: string | undefined): string | undefined {
  return alias?.startsWith(`${mark}=`) === true ? alias.slice(mark.length + 1) : undefined
}
