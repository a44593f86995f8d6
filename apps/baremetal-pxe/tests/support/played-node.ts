import { request } from 'node:http'

const SERVER = { host: '10.88.0.1', port: 8088 }
const ASKED = 'platform=pcbios&uuid=0f0f0f0f-1111-2222-3333-444444444444&serial=SC-0007'

/** What a node is answered. */
interface Answered {
  readonly status: number
  readonly text: string
}

/** A node as the boot service sees it, played by a test: what it is told and what it tells. */
export class PlayedNode {
  readonly #mac: string
  readonly #address: string

  constructor(mac: string, address: string) {
    this.#mac = mac
    this.#address = address
  }

  /** Asks what to boot: the script, and the token in it. */
  async boot(): Promise<{ readonly script: string; readonly token: string }> {
    const { text } = await this.#call(
      'GET',
      `/boot/${this.#mac.replaceAll(':', '-')}.ipxe?${ASKED}`,
    )
    return { script: text, token: /\/node\/([\w-]{22})/.exec(text)?.[1] ?? '' }
  }

  async get(path: string): Promise<Answered> {
    return await this.#call('GET', path)
  }

  /** Sends JSON, or nothing; from another address where the installed system has one. */
  async post(path: string, body?: unknown, from = this.#address): Promise<number> {
    return (await this.#call('POST', path, body, from)).status
  }

  async #call(
    method: string,
    path: string,
    body?: unknown,
    localAddress = this.#address,
  ): Promise<Answered> {
    return await new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const call = request({ ...SERVER, method, path, localAddress, headers, agent: false })
      call.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      })
      call.on('error', reject)
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}
