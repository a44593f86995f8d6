import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, request } from 'node:http'
import { join } from 'node:path'
import type { MachineConsole } from '@purlin/sdk'
import type { ExecutionContext } from 'ava'
import { repository } from '../repository.ts'
import { agentSocket } from '../sandbox/agent.ts'
import type { MachineHost } from './machine-host.ts'
import { eventually } from './volume-host.ts'

const LIMIT_MS = 60_000

/** In the guest: answers each line of the serial port. */
const ANSWERING = '(while read -r line; do echo "heard $line"; done) </dev/ttyS0 >/dev/ttyS0 2>&1 &'

/** What a console said so far, and a wait for more. */
function reader(console: MachineConsole) {
  let all = Buffer.alloc(0)
  console.on('data', (chunk: Buffer) => {
    all = Buffer.concat([all, chunk])
  })
  return {
    text: () => all.toString('latin1'),
    /** Takes that many bytes away, when they are there. */
    take: async (count: number): Promise<Buffer> => {
      await eventually(`${count} bytes`, async () => all.length >= count)
      const taken = all.subarray(0, count)
      all = all.subarray(count)
      return taken
    },
    until: (wanted: RegExp) =>
      eventually(String(wanted), async () => wanted.test(all.toString('latin1'))),
  }
}

/** The serial console: through the client, through the command, and by force. */
export async function checkConsole(
  t: ExecutionContext,
  { client, host, guest }: MachineHost,
  name: string,
): Promise<void> {
  const { virtualMachines } = client
  await guest(name, ANSWERING)
  const mine = await virtualMachines.console(name, { tailBytes: 65_536 })
  const said = reader(mine)
  await said.until(/PROBE-READY/)
  mine.write('one\n')
  await said.until(/heard one/)
  await t.throwsAsync(virtualMachines.console(name), { code: 'PUR_CONSOLE_BUSY' })

  const cli = join(repository, 'apps/cli/src/main.ts')
  const options = ['--force', '--tail', '0', '--linger', '1']
  const command = spawn(process.execPath, [
    ...['--conditions=purlin-source', cli, '--socket', agentSocket(host)],
    ...['vm', 'console', name, ...options],
  ])
  const ended = once(command, 'exit')
  let piped = ''
  command.stdout.on('data', (chunk) => {
    piped += chunk
  })
  t.is((await mine.ended).why, 'taken')
  command.stdin.write('two\n')
  await eventually('the command prints the answer', async () => /heard two/.test(piped))
  command.stdin.end()
  t.is((await ended)[0], 0)
  t.false(piped.includes('PROBE-READY'), 'nothing of before was asked for')

  const token = await leaveFor(agentSocket(host), name)
  t.is(await upgrade(agentSocket(host), token), 101)
  t.is(await upgrade(agentSocket(host), token), 401)
  const log = await readFile(join(host.paths.log, 'agent.log'), 'utf8')
  t.false(log.includes(token), 'no token is logged')
}

/** The screen: RFB's handshake, and a picture. */
export async function checkScreen(
  t: ExecutionContext,
  { client }: MachineHost,
  name: string,
): Promise<void> {
  const screen = await client.virtualMachines.screen(name)
  const { take } = reader(screen)
  // RFC 6143: version, security type none, shared, then the size and name of the screen.
  t.is((await take(12)).toString(), 'RFB 003.008\n')
  screen.write('RFB 003.008\n')
  t.deepEqual([...(await take(2))], [1, 1])
  screen.write(Buffer.from([1]))
  t.is((await take(4)).readUInt32BE(), 0)
  screen.write(Buffer.from([1]))
  const head = await take(24)
  const [width, height] = [head.readUInt16BE(0), head.readUInt16BE(2)]
  const bytesPerPixel = (head[4] ?? 0) / 8
  await take(head.readUInt32BE(20))
  t.true(width >= 640 && height >= 400, `${width} x ${height}`)
  const wanted = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  wanted.writeUInt16BE(width, 6)
  wanted.writeUInt16BE(height, 8)
  screen.write(wanted)
  const update = await take(4)
  t.is(update[0], 0, 'an update of the picture')
  let pixels = 0
  for (let left = update.readUInt16BE(2); left > 0; left--) {
    const rectangle = await take(12)
    const area = rectangle.readUInt16BE(4) * rectangle.readUInt16BE(6)
    t.is(rectangle.readInt32BE(8), 0, 'raw, as nothing else was asked for')
    await take(area * bytesPerPixel)
    pixels += area
  }
  t.is(pixels, width * height)
  screen.end()
  t.is((await screen.ended).why, 'ended-here')
}

/** A console ends with its agent and with its machine, and both ends are told of. */
export async function checkEnds(
  t: ExecutionContext,
  host: MachineHost,
  name: string,
): Promise<void> {
  const { client } = host
  const before = await client.virtualMachines.console(name)
  before.resume()
  await host.killAgent()
  t.is((await before.ended).why, 'connection-lost')
  const console = await client.virtualMachines.console(name)
  const screen = await client.virtualMachines.screen(name)
  const said = reader(console)
  screen.resume()
  console.write('three\n')
  await said.until(/heard three/)
  const asked = await client.virtualMachines.destroy(name)
  t.deepEqual(await console.ended, { why: 'machine-off', message: `machine ${name}: it is off` })
  t.is((await screen.ended).why, 'machine-off')
  await asked.wait({ deadlineMs: LIMIT_MS })
  await t.throwsAsync(client.virtualMachines.console(name), { code: 'PUR_VIRT_POWER' })
  await eventually('each session is told of', async () => {
    const told = new Set<string>()
    for await (const { type, message } of client.events({ after: 0, follow: false })) {
      if (type.startsWith('console.')) told.add(message.replace(/ after \d+ s/, ''))
    }
    return (
      told.has('screen opened by the unix socket') &&
      told.has('screen of the unix socket closed: it is off') &&
      told.has('serial console of the unix socket closed: another took it over')
    )
  })
}

/** A token for the serial console. */
async function leaveFor(socketPath: string, name: string): Promise<string> {
  const path = `/v1/virtual-machines/${name}/console`
  const headers = { 'content-type': 'application/json' }
  const asked = request({ socketPath, path, method: 'POST', headers })
  asked.end(JSON.stringify({ kind: 'serial', force: true }))
  const [answer] = await once(asked, 'response', { signal: AbortSignal.timeout(LIMIT_MS) })
  let text = ''
  for await (const chunk of answer) text += chunk
  return JSON.parse(text).token
}

/** The status of a WebSocket's handshake with that token. */
async function upgrade(socketPath: string, token: string): Promise<number> {
  const headers = {
    ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
  }
  const asked = get({ socketPath, path: `/v1/console?token=${token}`, headers })
  const upgraded = once(asked, 'upgrade').then(([answer, socket]) => {
    socket.destroy()
    return answer.statusCode
  })
  const refused = once(asked, 'response').then(([answer]) => answer.resume().statusCode)
  return await Promise.race([upgraded, refused])
}
