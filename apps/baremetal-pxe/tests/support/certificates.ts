import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'

/** A server's key and certificate, PEM, and the authority's certificate. */
export interface Certificate {
  readonly key: string
  readonly cert: string
  readonly authority: string
}

/** An authority of that name, `NAME.pem` in the folder, and a certificate of it for a server at
 *  127.0.0.1. */
export async function certificateIn(folder: string, name: string): Promise<Certificate> {
  const path = (ending: string): string => join(folder, `${name}${ending}`)
  const make = async (ending: string, subject: string, words: readonly string[]): Promise<void> => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const files = ['-keyout', path(`${ending}.key`), '-out', path(`${ending}.pem`)]
    const all = ['req', '-x509', ...key, ...files, '-subj', `/CN=${subject}`, ...words]
    await run('openssl', all, { timeoutMs: 30_000 })
  }
  await make('', `${name} authority`, [])
  await make('-server', name, [
    ...['-CA', path('.pem'), '-CAkey', path('.key')],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1'],
  ])
  const [key, cert, authority] = await Promise.all(
    ['-server.key', '-server.pem', '.pem'].map((ending) => readFile(path(ending), 'utf8')),
  )
  return { key: key ?? '', cert: cert ?? '', authority: authority ?? '' }
}
