import { type ErrorCode, type PurlinError, toPurlinError } from '@purlin/base'

/** Errors that may be one member's alone. With any other all would fail alike, one after the
 *  other: the database is gone, a deadline has passed, the caller gave up. */
const OF_A_MEMBER: readonly ErrorCode[] = [
  'PUR_SWITCH_NAME_TAKEN',
  'PUR_LINK_FAILED',
  'PUR_OVS_REFUSED',
]

/** Does the work for all members as one, and where that fails for each half, down to the members
 *  that fail alone: these are answered, each with its own error. The work is done twice for members
 *  beside a failing one, so it must mend what it finds half done. */
export async function inHalves<Member>(
  members: readonly Member[],
  work: (members: readonly Member[]) => Promise<void>,
): Promise<ReadonlyMap<Member, PurlinError>> {
  try {
    await work(members)
    return new Map()
  } catch (thrown) {
    const error = toPurlinError(thrown)
    if (members.length === 1 || !isOfAMember(error)) {
      return new Map(members.map((member) => [member, error]))
    }
    const middle = members.length >> 1
    const first = await inHalves(members.slice(0, middle), work)
    return new Map([...first, ...(await inHalves(members.slice(middle), work))])
  }
}

function isOfAMember({ code, cause }: PurlinError): boolean {
  const late = cause instanceof Error && toPurlinError(cause).code === 'PUR_EXEC_TIMEOUT'
  return OF_A_MEMBER.includes(code) && !late
}
