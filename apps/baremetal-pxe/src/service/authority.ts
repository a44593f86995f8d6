import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Run } from '@purlin/base'
import { cpioArchive } from '@purlin/discovery-system'
import { writeWhole } from '@purlin/service'
import { createAuthority, type Identity, issueIdentity } from '@purlin/store'

const DAY_MS = 86_400_000
const LEAST_LEFT_MS = 30 * DAY_MS

/** The daemon's own certificate authority: nodes are given its certificate with the system that
 *  they boot, and trust nobody else. */
export interface Authority {
  /** PEM. */
  readonly certificate: string
  /** The certificate as an archive that a kernel unpacks beside its initrd. */
  readonly archive: string
  /** Key and certificate of a server at the address; the same ones until they are nearly over. */
  identityOf(name: string, address: string): Promise<Identity>
}

/** Opens the authority below `folder`, or makes it when there is none. Errors: those of
 *  createAuthority. */
export async function openAuthority(
  folder: string,
  { clock, run }: { readonly clock: Clock; readonly run: Run },
): Promise<Authority> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const read = (name: string) => readIdentity(folder, name)
  const known = await read('authority')
  const own = known ?? (await createAuthority('purlin-baremetal-pxe', run))
  if (known === undefined) await writeIdentity(folder, 'authority', own)
  const archive = join(folder, 'ca.cpio')
  const content = Buffer.from(own.certificate)
  await writeFile(archive, cpioArchive([{ path: 'etc/purlin/ca.pem', mode: 0o644, content }]))
  return {
    certificate: own.certificate,
    archive,
    async identityOf(name, address) {
      const file = `server-${name}`
      const standing = await read(file)
      if (standing && isGood(standing.certificate, own.certificate, address, clock.nowMs())) {
        return standing
      }
      const identity = await issueIdentity(own, { name, addresses: [address] }, run)
      await writeIdentity(folder, file, identity)
      return identity
    },
  }
}

function isGood(certificate: string, authority: string, address: string, nowMs: number): boolean {
  const found = new X509Certificate(certificate)
  return (
    found.checkIP(address) !== undefined &&
    found.verify(new X509Certificate(authority).publicKey) &&
    Date.parse(found.validTo) - nowMs > LEAST_LEFT_MS
  )
}

async function readIdentity(folder: string, name: string): Promise<Identity | undefined> {
  const [certificate, key] = await Promise.all(
    ['pem', 'key'].map((ending) =>
      readFile(join(folder, `${name}.${ending}`), 'utf8').catch((thrown: unknown) => {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
          return undefined
        throw thrown
      }),
    ),
  )
  return certificate === undefined || key === undefined ? undefined : { certificate, key }
}

/** The key first: a certificate without its key is of no use, and is made anew. */
async function writeIdentity(folder: string, name: string, identity: Identity): Promise<void> {
  await writeWhole(join(folder, `${name}.key`), identity.key)
  await writeWhole(join(folder, `${name}.pem`), identity.certificate)
}
