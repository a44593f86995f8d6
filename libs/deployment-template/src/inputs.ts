import { type Problem, parseAddress } from '@purlin/base'
import type { SpecOf } from '@purlin/schema'

/** A user with what the template’s files hold; only hashes ever come here. */
export interface UserInput {
  readonly name: string
  /** As crypt(5) writes it; absent: the password is locked. */
  readonly passwordHash?: string
  /** Whole lines of authorized_keys(5), without options. */
  readonly sshKeys: readonly string[]
  readonly sudo: boolean
}

/** What a template does not hold and an installation needs. */
export interface InstallInputs {
  readonly hostname: string
  /** The NIC that the firmware boots from, six lower-case bytes. */
  readonly bootMac: string
  /** Where this node fetches its files (`/file/NAME`) and tells its steps (`/event/STEP`). The last
   *  part is the boot token, or a placeholder that the server puts the token in for. */
  readonly nodeUrl: string
  /** The tree of the installation media, as this node reads it. */
  readonly mediaUrl: string
  readonly users: readonly UserInput[]
  /** Contents of the template’s scripts, in its order. */
  readonly scripts: { readonly before: readonly string[]; readonly after: readonly string[] }
}

const SCRIPT_LIMIT_BYTES = 262_144
/** Letters that are plain in every format and in every shell. */
const URL_TEXT =
  /^https?:\/\/([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?(\/[A-Za-z0-9._~@-]+)*\/?$/
/** sha512crypt, sha256crypt, yescrypt, gost-yescrypt, bcrypt; MD5 and DES fall in minutes. */
const STRONG_HASH = /^\$(6|5|y|gy|2[aby])\$[./A-Za-z0-9$=,]{20,200}$/
const SSH_KEY = new RegExp(
  [
    '^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)',
    '|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com)',
    ' [A-Za-z0-9+/]{40,8000}={0,2}',
    '( [^\\p{Cc}\\p{Cs}\\u2028\\u2029]{0,200})?$',
  ].join(''),
  'u',
)

/** Whether the inputs can be rendered: every problem, with the path in the template’s spec or in
 *  the inputs. The texts of secrets are in no message. Pure. */
export function checkInputs(
  spec: SpecOf<'DeploymentTemplate'>,
  inputs: InstallInputs,
): readonly Problem[] {
  const problems: Problem[] = []
  const expect = (good: boolean, path: string, message: string): void => {
    if (!good) problems.push({ path, message })
  }
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  const hostname = new RegExp(`^${label}(\\.${label})*$`)
  expect(
    hostname.test(inputs.hostname) && inputs.hostname.length <= 253,
    'inputs.hostname',
    'must be a host’s name of lower-case letters, digits, dashes and dots',
  )
  expect(
    parseAddress(inputs.hostname) === undefined,
    'inputs.hostname',
    'must be a name, not an address',
  )
  expect(
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(inputs.bootMac),
    'inputs.bootMac',
    'must be six lower-case hexadecimal bytes',
  )
  for (const field of ['nodeUrl', 'mediaUrl'] as const) {
    const message = 'must be http(s)://HOST[:PORT]/PATH of letters, digits and ._~@-'
    expect(URL_TEXT.test(inputs[field]), `inputs.${field}`, message)
  }
  const names = inputs.users.map(({ name }) => name).join(' ')
  expect(
    names === spec.users.map(({ name }) => name).join(' '),
    'inputs.users',
    'must be the template’s users, in its order',
  )
  expect(inputs.users.length > 0, 'users', 'names nobody, so nobody could log in; add a user')
  for (const [index, user] of inputs.users.entries()) {
    for (const problem of checkUser(user, `users[${index}]`)) problems.push(problem)
  }
  for (const field of ['before', 'after'] as const) {
    expect(
      inputs.scripts[field].length === spec.scripts[field].length,
      `scripts.${field}`,
      `${spec.scripts[field].length} are named, ${inputs.scripts[field].length} were read`,
    )
    for (const [index, script] of inputs.scripts[field].entries()) {
      const fits = Buffer.byteLength(script) <= SCRIPT_LIMIT_BYTES && !script.includes('\0')
      const message = `must be a text of at most ${SCRIPT_LIMIT_BYTES} bytes without NUL`
      expect(fits, `scripts.${field}[${index}]`, message)
    }
  }
  return problems
}

function checkUser(user: UserInput, path: string): Problem[] {
  const problems: Problem[] = []
  if (user.passwordHash !== undefined && !STRONG_HASH.test(user.passwordHash)) {
    const message = 'must hold one hash of SHA-2 crypt, yescrypt or bcrypt, never a password'
    problems.push({ path: `${path}.passwordHashFile`, message })
  }
  user.sshKeys.forEach((key, index) => {
    if (SSH_KEY.test(key)) return
    const message = 'must hold one public key of ssh, TYPE KEY [COMMENT], without options'
    problems.push({ path: `${path}.sshKeys[${index}]`, message })
  })
  if (user.passwordHash === undefined && user.sshKeys.length === 0) {
    problems.push({ path, message: 'has neither a password hash nor a key, so could not log in' })
  }
  return problems
}

/** Address of a file of this node. */
export function fileUrl(inputs: InstallInputs, name: string): string {
  return `${inputs.nodeUrl.replace(/\/$/, '')}/file/${name}`
}

/** Address at which this node tells that it has reached a step. */
export function eventUrl(inputs: InstallInputs, step: string): string {
  return `${inputs.nodeUrl.replace(/\/$/, '')}/event/${step}`
}
