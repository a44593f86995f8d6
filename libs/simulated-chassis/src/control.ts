import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createInterface } from 'node:readline'

/** What ipmi_sim asks of a chassis (ipmi_sim(1), chassis_control). */
export type ControlRequest =
  | { readonly verb: 'get'; readonly names: readonly string[] }
  | { readonly verb: 'set'; readonly settings: readonly (readonly [name: string, value: string])[] }

/** `MC get NAME...` or `MC set NAME VALUE [NAME VALUE]...`; undefined for anything else. Pure. */
export function readControl(line: string): ControlRequest | undefined {
  const [, verb, ...words] = line.trim().split(/\s+/)
  if (verb === 'get') return { verb, names: words }
  if (verb !== 'set' || words.length % 2 === 1) return undefined
  const settings = words.flatMap((name, index): (readonly [string, string])[] => {
    return index % 2 === 0 ? [[name, words[index + 1] ?? '']] : []
  })
  return { verb, settings }
}

/** Listens for the requests of a BMC; each is one line, and its answer ends the connection. */
export async function listenForControl(
  answer: (request: ControlRequest) => Promise<string>,
): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    const lines = createInterface({ input: socket }).on('error', () => {})
    lines.once('line', (line) => {
      const request = readControl(line)
      if (request === undefined) socket.destroy()
      else answer(request).then((text) => socket.end(text))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}
