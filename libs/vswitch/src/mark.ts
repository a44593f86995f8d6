/** How Purlin knows its own things. In the database a mark is a key of `external_ids`; on a link
 *  it is the alias, `KEY=NAME`. What has no mark is never changed. */
export const SWITCH_MARK = 'purlin:switch'
export const UPLINK_MARK = 'purlin:uplink'
export const PORT_MARK = 'purlin:port'
export const PORT_GROUP_MARK = 'purlin:port-group'

/** The alias of a link that belongs to `name`. */
export function aliasOf(mark: string, name: string): string {
  return `${mark}=${name}`
}

/** Whose link it is, by its alias; undefined where the alias is none of that mark. */
export function nameOfAlias(mark: string, alias: string | undefined): string | undefined {
  return alias?.startsWith(`${mark}=`) === true ? alias.slice(mark.length + 1) : undefined
}
