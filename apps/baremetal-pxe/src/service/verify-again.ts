import type { AdmittedChange, Catalogue } from '@purlin/service'
import type { Conductor } from '../life/index.ts'

/** Asks the BMCs anew that gave no answer by the account or the address that a change replaces.
 *  What a life refuses stays as it is. */
export async function verifyAgain(
  { changes }: AdmittedChange,
  catalogue: Catalogue,
  conductor: Pick<Conductor, 'lifeOf' | 'request'>,
): Promise<void> {
  const named = (kind: string): ReadonlySet<string> =>
    new Set(changes.flatMap((one) => (one.kind === kind ? [one.name] : [])))
  const chassis = named('Chassis')
  const secrets = named('Secret')
  for (const { manifest } of catalogue.list('Chassis')) {
    if (!chassis.has(manifest.name) && !secrets.has(manifest.spec.bmc.secret)) continue
    const life = conductor.lifeOf(manifest.name)
    if (life?.state !== 'failed' || life.failure?.step !== 'verifying') continue
    await conductor.request(manifest.name, { ask: 'verify' }).catch(() => undefined)
  }
}
