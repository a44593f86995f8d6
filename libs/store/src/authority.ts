import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, type Run, run as runProgram } from '@purlin/base'

/** A certificate and its private key, both PEM. The key never leaves the host that made it. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** What a certificate says of its owner. */
export interface Subject {
  readonly name: string
  /** Names and IP addresses it is reached at. */
  readonly addresses: readonly string[]
}

const TIMEOUT_MS = 20_000
const AUTHORITY_DAYS = 7_300
/** Of members of etcd and the like, which nobody renews by himself. */
const SUBJECT_DAYS = 3_650
/** Of hosts, whose agents renew theirs. */
export const HOST_CERTIFICATE_DAYS = 365

/** Node makes keys, but no X.509: openssl(1) does, with a configuration of ours, whatever the
 *  host's own says. Both usages, since a member of etcd is also a client: of itself, for the JSON
 *  gateway. */
const CONFIGURATION = `[req]
distinguished_name = subject
prompt = no
[subject]
O = Purlin
CN = NAME
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[member]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`

/** Makes a certificate authority: a key and a certificate that signs itself. Errors:
 *  PUR_EXEC_NOT_FOUND without openssl, PUR_EXEC_FAILED. */
export async function createAuthority(name: string, run: Run = runProgram): Promise<Identity> {
  const key = newKey()
  const certificate = await withFiles(
    { 'ca.key': key, 'ca.cnf': configurationFor(name) },
    async (folder) => {
      const words = ['req', '-x509', '-new', '-sha256', '-config', 'ca.cnf']
      const more = ['-extensions', 'authority', '-days', `${AUTHORITY_DAYS}`, '-key', 'ca.key']
      return await openssl(run, folder, [...words, ...more, '-set_serial', newSerial()])
    },
  )
  return { certificate, key }
}

/** Makes a request for a certificate, over a new key or over one that is there. Errors: as
 *  createAuthority. */
export async function createRequest(
  name: string,
  run: Run = runProgram,
  key: string = newKey(),
): Promise<{ readonly key: string; readonly request: string }> {
  const files = { 'own.key': key, 'own.cnf': configurationFor(name) }
  const request = await withFiles(files, async (folder) => {
    const words = ['req', '-new', '-sha256', '-config', 'own.cnf', '-key', 'own.key']
    return await openssl(run, folder, words)
  })
  return { key, request }
}

/** The public key of a request, PEM, which its owner has signed. Errors: PUR_INVALID for a request
 *  that is none, and those of createAuthority. */
export async function publicKeyOfRequest(request: string, run: Run = runProgram): Promise<string> {
  return await withFiles({ 'own.csr': request }, (folder) => verifiedKey(run, folder))
}

/** Signs a request. Of the request counts its key alone, whose owner it proves; what the
 *  certificate says is `subject`, and it is good for `days`. Errors: PUR_INVALID for a request that
 *  is none, and those of createAuthority. */
export async function signRequest(
  authority: Identity,
  request: string,
  subject: Subject,
  run: Run = runProgram,
  days: number = SUBJECT_DAYS,
): Promise<string> {
  const alternatives = [subject.name, ...subject.addresses].map((one) =>
    isIP(one) === 0 ? `DNS:${checkedName(one)}` : `IP:${one}`,
  )
  const files = {
    'ca.pem': authority.certificate,
    'ca.key': authority.key,
    'own.csr': request,
    'own.cnf': `${configurationFor(subject.name)}subjectAltName = ${[...new Set(alternatives)].join(', ')}\n`,
  }
  return await withFiles(files, async (folder) => {
    const publicKey = await verifiedKey(run, folder)
    await writeFile(join(folder, 'own.pub'), publicKey, { mode: 0o600 })
    return await openssl(run, folder, [
      ...['x509', '-new', '-force_pubkey', 'own.pub', '-subj', `/O=Purlin/CN=${subject.name}`],
      ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', newSerial(), '-sha256'],
      ...['-days', `${days}`, '-extfile', 'own.cnf', '-extensions', 'member'],
    ])
  })
}

/** Makes a key and the certificate for it, where both belong to one host. Errors: as
 *  createAuthority. */
export async function issueIdentity(
  authority: Identity,
  subject: Subject,
  run: Run = runProgram,
  days: number = SUBJECT_DAYS,
): Promise<Identity> {
  const { key, request } = await createRequest(subject.name, run)
  return { key, certificate: await signRequest(authority, request, subject, run, days) }
}

/** A certificate that is good no more. */
export interface Revoked {
  /** Hexadecimal, as Node's `X509Certificate` has it. */
  readonly serial: string
  readonly endsAtMs: number
  readonly revokedAtMs: number
}

/** Makes the authority's list of revoked certificates (RFC 5280, section 5), PEM. `nowMs` numbers
 *  it, so that a newer one is known. Errors: as createAuthority. */
export async function createRevocationList(
  authority: Identity,
  revoked: readonly Revoked[],
  nowMs: number,
  run: Run = runProgram,
): Promise<string> {
  const lines = revoked.map(({ serial, endsAtMs, revokedAtMs }) => {
    const even = serial.length % 2 === 0 ? serial : `0${serial}`
    const words = ['R', asn1Time(endsAtMs), asn1Time(revokedAtMs), even.toUpperCase()]
    return `${[...words, 'unknown', '/O=Purlin'].join('\t')}\n`
  })
  const number = Math.round(nowMs).toString(16)
  const files = {
    'ca.pem': authority.certificate,
    'ca.key': authority.key,
    'index.txt': lines.join(''),
    number: `${number.length % 2 === 0 ? number : `0${number}`}\n`,
    'crl.cnf': `[ca]\ndefault_ca = list\n[list]\ndatabase = index.txt\ncrlnumber = number\ndefault_md = sha256\ndefault_crl_days = ${AUTHORITY_DAYS}\n`,
  }
  return await withFiles(files, async (folder) => {
    const words = ['ca', '-gencrl', '-config', 'crl.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key']
    return await openssl(run, folder, words)
  })
}

/** `YYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5.1). */
function asn1Time(atMs: number): string {
  const text = new Date(atMs).toISOString()
  return `${text.slice(2, 19).replaceAll(/[-:T]/g, '')}Z`
}

async function verifiedKey(run: Run, folder: string): Promise<string> {
  const words = ['req', '-in', 'own.csr', '-verify', '-noout', '-pubkey']
  return await openssl(run, folder, words).catch((cause) => {
    const message = 'the certificate request cannot be read or is not signed by its own key'
    throw new PurlinError('PUR_INVALID', { message, cause })
  })
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** 16 random bytes, of which the first is below 128: a serial number is positive. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return `0x${bytes.toString('hex')}`
}

function configurationFor(name: string): string {
  return CONFIGURATION.replace('NAME', checkedName(name))
}

/** A name that stands in openssl's files must not bring lines or sections of its own. */
function checkedName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/.test(name)) return name
  const message = `${JSON.stringify(name.slice(0, 80))} is no name for a certificate: letters, digits, dots and dashes`
  throw new PurlinError('PUR_INVALID', { message })
}

async function openssl(run: Run, folder: string, args: readonly string[]): Promise<string> {
  const options = { timeoutMs: TIMEOUT_MS, workingFolder: folder }
  return (await run('openssl', args, options)).stdout
}

async function withFiles(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<string>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-authority-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, name), text, { mode: 0o600 })
    }
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Reads an identity from its two files. */
export async function readIdentity(certificate: string, key: string): Promise<Identity> {
  return { certificate: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') }
}
