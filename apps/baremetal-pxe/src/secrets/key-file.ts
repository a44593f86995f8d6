import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { PurlinError, type RandomBytes, toPurlinError } from '@purlin/base'
import { writeWhole } from '@purlin/service'

const KEY_BYTES = 32

/** Reads the key by which secrets are kept, or makes it when there is none. The file is its
 *  owner's alone. Errors: PUR_SECRET_KEY for a key that others may read, or that is none. */
export async function openKey(file: string, random: RandomBytes = randomBytes): Promise<Buffer> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    const message = `${file}: cannot be read: ${toPurlinError(thrown).message}`
    throw new PurlinError('PUR_SECRET_KEY', { message, cause: thrown })
  })
  if (text === undefined) {
    const key = Buffer.from(random(KEY_BYTES))
    await writeWhole(file, `${key.toString('hex')}\n`)
    return key
  }
  const { mode } = await stat(file)
  if ((mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(4, '0')
    const message = `${file}: has mode ${found}, so that others may read it; set it to 0600, and make the secrets new if somebody may have`
    throw new PurlinError('PUR_SECRET_KEY', { message })
  }
  if (!/^[0-9a-f]{64}\n?$/.test(text)) {
    const message = `${file}: holds no key of ${KEY_BYTES} bytes; bring it back from a backup, or remove it and apply the manifests with their files again`
    throw new PurlinError('PUR_SECRET_KEY', { message })
  }
  return Buffer.from(text.trim(), 'hex')
}
