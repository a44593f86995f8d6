import { uuidOf } from '@purlin/base'
import type { StoredRecord } from '@purlin/service'

/** The UUID of a machine's domain: the one it was taken in with, or one made of its identity, so
 *  that a machine made anew under the name has another. Pure. */
export function machineUuid(
  record: Pick<StoredRecord<'VirtualMachine'>, 'manifest' | 'uid'>,
): string {
  return record.manifest.spec.uuid ?? uuidOf(`machine ${record.uid}`)
}
