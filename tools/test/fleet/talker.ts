/** Ends of connections as a program inside a machine of a rig. `talker.ts serve PORT [ADDRESS]`
 *  gives each line back and prints `ready`. `talker.ts stream ADDRESS PORT` sends numbered lines
 *  over one connection and, at SIGTERM, prints as JSON how many it sent and got back in order, and
 *  whether the connection broke. `talker.ts knock ADDRESS PORT` tries a connection again and again
 *  and, at SIGTERM, prints how often it tried and how often it was let in. */
import { connect, createServer } from 'node:net'

const [mode = '', first = '', second = ''] = process.argv.slice(2)
const SEND_EVERY_MS = 5
const KNOCK_LIMIT_MS = 150
const LAST_WORDS_MS = 10_000

const pause = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs)
  })

let isOver = false
process.once('SIGTERM', () => {
  isOver = true
})

async function stream(host: string, port: number) {
  let [sent, back, broken, rest] = [0, 0, false, '']
  const socket = connect({ host, port })
  socket.once('error', () => {
    broken = true
  })
  socket.on('data', (bytes) => {
    const lines = (rest + bytes.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (Number(line) === back) back++
      else broken = true
    }
  })
  await new Promise((resolve) => socket.once('connect', resolve))
  process.stdout.write('ready\n')
  while (!isOver && !broken) {
    socket.write(`${sent++}\n`)
    await pause(SEND_EVERY_MS)
  }
  for (let waitedMs = 0; back < sent && waitedMs < LAST_WORDS_MS; waitedMs += 50) await pause(50)
  return { sent, back, broken }
}

async function knock(host: string, port: number) {
  let [tries, letIn] = [0, 0]
  process.stdout.write('ready\n')
  while (!isOver) {
    const socket = connect({ host, port })
    const came = new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    const isIn = await Promise.race([came, pause(KNOCK_LIMIT_MS).then(() => false)])
    socket.destroy()
    tries++
    if (isIn) letIn++
  }
  return { tries, letIn }
}

if (mode === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(Number(first), second === '' ? '0.0.0.0' : second, () =>
    process.stdout.write('ready\n'),
  )
} else {
  const answer = await (mode === 'stream' ? stream : knock)(first, Number(second))
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
}
