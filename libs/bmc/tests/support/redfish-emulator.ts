import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { type Bmc, createCommandPool, openBmc, type RedfishTrust } from '../../src/index.ts'
import { untilTrue } from './simulated-chassis.ts'

const PORT = 8_443
const EMULATOR = join(import.meta.dirname, '../../../../.purlin/redfish-emulator/bin')

/** The emulator of sushy-tools with its fake systems, over HTTPS with a certificate of its own. */
export class RedfishEmulator {
  readonly folder: string
  readonly #emulator: ChildProcess

  private constructor(folder: string, emulator: ChildProcess) {
    this.folder = folder
    this.#emulator = emulator
  }

  static async start(): Promise<RedfishEmulator> {
    const folder = await mkdtemp(join(tmpdir(), 'redfish-'))
    await mkdir(join(folder, 'state'))
    await makeCertificate(folder)
    const hash = "import bcrypt; print(bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode())"
    const { stdout } = await run(join(EMULATOR, 'python'), ['-c', hash], { timeoutMs: 60_000 })
    await writeFile(join(folder, 'users'), `admin:${stdout}`)
    await writeFile(join(folder, 'settings.py'), settings(folder))
    const words = ['--fake', '--config', join(folder, 'settings.py')]
    const emulator = spawn(join(EMULATOR, 'sushy-emulator'), words, { stdio: 'ignore' })
    await untilTrue('the emulator listens', async () => {
      const sockets = await readFile('/proc/net/tcp', 'utf8')
      return sockets.includes(`:${PORT.toString(16).toUpperCase()} 00000000:0000 0A`)
    })
    return new RedfishEmulator(folder, emulator)
  }

  get certificates(): Promise<string> {
    return readFile(join(this.folder, 'certificate.pem'), 'utf8')
  }

  open(trust: RedfishTrust, password = 'secret', port = PORT): Bmc {
    return openBmc({
      pool: createCommandPool(),
      target: {
        ...{ protocol: 'redfish', name: 'ch0', address: '127.0.0.1', port, trust },
        ...{ username: 'admin', password, leastGapMs: 0 },
      },
    })
  }

  async end(): Promise<void> {
    this.#emulator.kill('SIGKILL')
    if (this.#emulator.exitCode === null) await once(this.#emulator, 'exit')
    await rm(this.folder, { recursive: true })
  }
}

async function makeCertificate(folder: string): Promise<void> {
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const name = ['-subj', '/CN=bmc', '-addext', 'subjectAltName=IP:127.0.0.1']
  const words = ['req', '-x509', ...key, ...files, '-days', '30', ...name]
  await run('openssl', words, { timeoutMs: 60_000 })
}

/** The emulator's settings are Python. Its fake systems take 1 to 11 s for a change of power, by
 *  chance; here they take none. */
function settings(folder: string): string {
  const file = (name: string): string => JSON.stringify(join(folder, name))
  return `import random
random.randint = lambda least, most: 0
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = ${PORT}
SUSHY_EMULATOR_SSL_CERT = ${file('certificate.pem')}
SUSHY_EMULATOR_SSL_KEY = ${file('key.pem')}
SUSHY_EMULATOR_AUTH_FILE = ${file('users')}
SUSHY_EMULATOR_STATE_DIR = ${file('state')}
`
}
