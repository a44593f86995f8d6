import { PurlinError } from '@purlin/base'

const USERNAME_BYTES_MAX = 16
const PASSWORD_BYTES_MAX = 20
const ADDRESS = /^[0-9A-Za-z][0-9A-Za-z.:%_-]{0,252}$/

/** How a BMC is reached over IPMI. */
export interface IpmiAccount {
  readonly address: string
  readonly port: number
  readonly username: string
  readonly password: string
}

/** Refuses what IPMI 2.0 (22.28, 22.30) cannot carry and what a file or an argument would turn into
 *  something else. The password is in no message. Errors: PUR_INVALID. */
export function checkIpmiAccount(name: string, account: IpmiAccount): void {
  const { address, port, username, password } = account
  const problems = [
    ...problemOf('address', ADDRESS.test(address), 'must be an address or a host name'),
    ...problemOf('port', Number.isInteger(port) && port > 0 && port < 65_536, 'must be a port'),
    ...problemOf('username', fits(username, USERNAME_BYTES_MAX), 'must have 1 to 16 bytes'),
    ...problemOf('password', fits(password, PASSWORD_BYTES_MAX), 'must have 1 to 20 bytes'),
  ]
  if (problems.length === 0) return
  const sentences = problems.map((one) => `${one.path} ${one.message}`)
  const message = `chassis ${name}: ${sentences.join('; ')}`
  throw new PurlinError('PUR_INVALID', { message, problems })
}

function problemOf(
  path: string,
  good: boolean,
  message: string,
): { path: string; message: string }[] {
  return good ? [] : [{ path, message }]
}

function fits(text: string, bytesMax: number): boolean {
  const bytes = Buffer.byteLength(text)
  return bytes > 0 && bytes <= bytesMax && !/\p{Cc}/u.test(text)
}
