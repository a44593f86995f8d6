import { PurlinError, type Run } from '@purlin/base'

/** Debian's dnsmasq comes with a user of its own; elsewhere it is the one that owns nothing. */
const CANDIDATES = ['dnsmasq', 'nobody']

/** The user that dnsmasq becomes; undefined where we are not root, since it then stays who we are.
 *  Errors: PUR_BOOT_DHCP for a user that was named and is none. */
export async function serviceUser(
  named: string | undefined,
  run: Run,
): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const user of named === undefined ? CANDIDATES : [named]) {
    const { exitCode } = await run('getent', ['passwd', user], {
      timeoutMs: 5_000,
      acceptedExitCodes: [2],
    })
    if (exitCode === 0) return user
  }
  throw new PurlinError('PUR_BOOT_DHCP', {
    message: `start DHCP: there is no user ${named ?? CANDIDATES.join(' or ')} on this host`,
  })
}
