import { PurlinError } from '@purlin/base'
import type { Link } from '../links/link.ts'

/** The error of a name that something else has. */
export function nameTaken(what: string, found: string, remedy: string): PurlinError {
  return new PurlinError('PUR_SWITCH_NAME_TAKEN', { message: `${what}: ${found}; ${remedy}` })
}

/** Refuses a link that exists and does not say that it is ours. Errors: PUR_SWITCH_NAME_TAKEN. */
export function refuseForeignLink(what: string, link: Link | undefined, alias: string): void {
  if (link === undefined || link.alias === alias) return
  const kind = link.kind === undefined ? 'a link' : `a ${link.kind} link`
  const marked = link.alias === undefined ? 'without a mark' : `marked "${link.alias}"`
  throw nameTaken(
    what,
    `${link.name} exists already, ${kind} ${marked}`,
    `rename or remove it: ip link delete ${link.name}`,
  )
}
