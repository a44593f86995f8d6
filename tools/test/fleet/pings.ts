import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { repository } from '../../repository.ts'
import type { FleetMachine } from './machine.ts'

const PROBE = join(repository, '.purlin/probe/probe')
const ETHER_BYTES = 14
const IP_BYTES = 20
const ECHO_BYTES = 16
const EVERY_MS = 20

/** Echo requests of one flow from a machine to another, until stopped. Answers by their number. */
export function startPings(from: FleetMachine, to: FleetMachine) {
  const command = ['netns', 'exec', from.name, PROBE, 'frames', 'eth0']
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] })
  const answered = new Set<number>()
  let sent = 0
  createInterface(child.stdout).on('line', (line) => {
    const frame = Buffer.from(line, 'hex')
    const at = ETHER_BYTES + IP_BYTES
    if (frame.length < at + 8 || frame.readUInt16BE(12) !== 0x0800) return
    if (frame[ETHER_BYTES + 9] === 1 && frame[at] === 0) answered.add(frame.readUInt16BE(at + 6))
  })
  const beat = setInterval(() => {
    child.stdin.write(`${request(from, to, sent++).toString('hex')}\n`)
  }, EVERY_MS)
  return {
    get sent() {
      return sent
    },
    answered: answered as ReadonlySet<number>,
    stop: () => {
      clearInterval(beat)
      child.kill('SIGKILL')
    },
  }
}

function request(from: FleetMachine, to: FleetMachine, number: number): Buffer {
  const ether = Buffer.from(`${hex(to.port.mac)}${hex(from.port.mac)}0800`, 'hex')
  const packet = Buffer.alloc(IP_BYTES)
  packet.writeUInt8(0x45)
  packet.writeUInt16BE(IP_BYTES + ECHO_BYTES, 2)
  packet.writeUInt8(64, 8)
  packet.writeUInt8(1, 9)
  packet.set(from.address.split('.').map(Number), 12)
  packet.set(to.address.split('.').map(Number), 16)
  packet.writeUInt16BE(checksum(packet), 10)
  const echo = Buffer.alloc(ECHO_BYTES)
  echo.writeUInt8(8)
  echo.writeUInt16BE(7, 4)
  echo.writeUInt16BE(number, 6)
  echo.writeUInt16BE(checksum(echo), 2)
  return Buffer.concat([ether, packet, echo])
}

function hex(mac: string): string {
  return mac.replaceAll(':', '')
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
