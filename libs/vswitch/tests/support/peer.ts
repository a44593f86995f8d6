/** Two ends of a connection as a program, started inside a machine's network namespace. `peer.ts
 *  serve PORT...` answers each connection with `FROM-ADDRESS PORT TO-ADDRESS PORT` as it sees them,
 *  and each line after with itself; it prints `ready`. `peer.ts ask ADDRESS PORT MS` prints that
 *  answer, or null. `peer.ts talk ADDRESS PORT ROUNDS PAUSE_MS` prints how many of its lines came
 *  back over one connection. */
import { connect, createServer } from 'node:net'

const [mode = '', ...words] = process.argv.slice(2)

function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '')
}

async function serve(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      const from = `${plain(socket.remoteAddress)} ${socket.remotePort}`
      socket.write(`${from} ${plain(socket.localAddress)} ${socket.localPort}\n`)
      socket.on('data', (bytes) => socket.write(bytes))
    })
    await new Promise<void>((resolve) => {
      server.listen(port, '::', resolve)
    })
  }
  process.stdout.write('ready\n')
}

async function ask(address: string, port: number, limitMs: number): Promise<string | null> {
  const socket = connect({ host: address, port })
  return await new Promise((resolve) => {
    const over = setTimeout(resolve, limitMs, null)
    socket.once('error', () => {
      clearTimeout(over)
      resolve(null)
    })
    socket.once('data', (bytes) => {
      clearTimeout(over)
      resolve(bytes.toString().trim())
    })
  })
}

async function talk(
  address: string,
  port: number,
  rounds: number,
  pauseMs: number,
): Promise<number> {
  const socket = connect({ host: address, port })
  let lines = -1
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    lines += bytes.toString().split('\n').length - 1
  })
  for (let round = 0; round < rounds; round++) {
    socket.write(`${round}\n`)
    await new Promise((resolve) => {
      setTimeout(resolve, pauseMs)
    })
  }
  await new Promise((resolve) => {
    setTimeout(resolve, 1_000)
  })
  return lines
}

if (mode === 'serve') await serve(words.map(Number))
else {
  const [address = '', port, third, fourth] = words
  const answer =
    mode === 'ask'
      ? await ask(address, Number(port), Number(third))
      : await talk(address, Number(port), Number(third), Number(fourth))
  process.stdout.write(`${JSON.stringify(answer)}\n`)
  process.exit(0)
}
