import { dirname } from 'node:path'
import { type Clock, PurlinError } from '@purlin/base'
import type { SwitchDesired } from '../desired.ts'
import type { FlowAction } from '../flows/flow.ts'
import { UPLINK_MARK } from '../mark.ts'
import { partBridge, tunnelPort } from '../names.ts'
import { writeActions } from '../openflow/actions.ts'
import { writeMatch } from '../openflow/match.ts'
import { messageTypes } from '../openflow/message.ts'
import { openOpenflow, type Request } from '../openflow/session.ts'
import { Writer } from '../openflow/writer.ts'
import { openDatabase } from '../ovsdb/database.ts'
import type { Replica } from '../ovsdb/replica.ts'
import { PROBE_TYPE, type Probe, type ProbeSize, probeFrame, readProbe } from './frame.ts'
import { type ProbeHeard, tunnelTo } from './matrix.ts'

export interface ProbeOptions {
  /** Path of the Open vSwitch database's unix socket. */
  readonly databaseSocket: string
  readonly clock: Clock
  readonly switch: SwitchDesired
  readonly host: string
  /** Frames of other runs are not counted. */
  readonly run: string
  readonly vlans: readonly number[]
  readonly signal?: AbortSignal
}

/** A probe that listens on a switch of this host. */
export interface OpenProbe {
  /** Uplinks by which it sends: devices of the host, members of bonds each for itself, or
   *  tunnels. */
  readonly uplinks: readonly string[]
  /** Sends a small and a full frame of each network by each uplink. Errors: PUR_OVS_UNREACHABLE. */
  send(): Promise<void>
  /** What it has heard of others so far. */
  heard(): readonly ProbeHeard[]
  close(): void
}

/** Where frames leave a bridge: by which port, and with which actions before, for each network. */
interface Exit {
  readonly name: string
  readonly port: number
  readonly before: (vlan: number) => readonly FlowAction[]
}

const NO_BUFFER = 0xffff_ffff
const FROM_CONTROLLER = 0xffff_fffd
const ANY = 0xffff_ffff
const APPLY_ACTIONS = 4
const OUTPUT = 0
const ACTION_BYTES = 16
const WHOLE_FRAME = 0xffff
const SMALL_BYTES = 46
/** A device that refuses a frame for its size drops those behind it in the same batch as well, so
 *  small frames are on their way before. */
const APART_MS = 50
/** Above all flows of a switch. */
const PRIORITY = 0xffff
/** The flow goes by itself, also where the agent is killed. */
const FLOW_SECONDS = 10
/** Not a cookie of the pipelines: it is no drift of theirs. */
const COOKIE = 0x5055_5250_524f_4245n
const IN_PORT_MATCH = 0x8000_0004

/** Begins to listen for probes on a switch, and may send them. The switch's own flows see none of
 *  it: frames go out by a port that is named, and what comes in is handed to this connection
 *  (OpenFlow 1.4 sections 7.3.6 and 7.4.1). Errors: PUR_OVS_UNREACHABLE, PUR_OPENFLOW_REFUSED. */
export async function openProbe(options: ProbeOptions): Promise<OpenProbe> {
  const { databaseSocket, clock, signal, host, run } = options
  const { name, overlay, mtu } = options.switch
  const database = openDatabase(databaseSocket, clock)
  const replica = await database.replica(signal).finally(() => database.close())
  const bridge = overlay === undefined ? name : partBridge('tunnels', name)
  const exits = overlay === undefined ? uplinkExits(name, replica) : tunnelExits(options, replica)
  const names = new Map(exits.map((exit) => [exit.port, exit.name]))
  const heard = new Map<string, ProbeHeard>()
  const onPacketIn = (body: Buffer): void => {
    const came = readPacketIn(body)
    const read = came && readProbe(came.frame)
    const by = came && names.get(came.port)
    if (read === undefined || by === undefined) return
    const { probe, tag } = read
    if (probe.run !== run || probe.host === host) return
    // A frame that lost its tag, or has another one, has not come through its network.
    if (overlay === undefined && (tag ?? 0) !== probe.vlan) return
    const { uplink, vlan, size } = probe
    heard.set(`${probe.host} ${uplink} ${vlan} ${size} ${by}`, {
      ...{ from: probe.host, uplink, vlan, size, by },
    })
  }
  const session = await openOpenflow({
    socketPath: `${dirname(databaseSocket)}/${bridge}.mgmt`,
    clock,
    onForeignChange: () => undefined,
    onPacketIn,
    ...(signal !== undefined && { signal }),
  })
  try {
    await session.send(`listen for probes on ${bridge}`, [askForFrames(), listeningFlow()], signal)
  } catch (thrown) {
    session.close()
    throw thrown
  }
  const frames = (size: ProbeSize): readonly Request[] =>
    exits.flatMap((exit) =>
      options.vlans.map((vlan) => {
        const probe: Probe = { run, host, uplink: exit.name, vlan, size }
        const payloadBytes = size === 'full' ? mtu : SMALL_BYTES
        const frame = probeFrame(probe, { payloadBytes, tagged: overlay === undefined })
        return frameOut(frame, [...exit.before(vlan), { do: 'output', port: exit.port }])
      }),
    )
  return {
    uplinks: exits.map((exit) => exit.name),
    send: async () => {
      const what = `send probes on ${bridge}`
      await session.send(what, frames('small'), signal)
      await clock.sleep(APART_MS, signal)
      await session.send(what, frames('full'), signal)
    },
    heard: () => [...heard.values()],
    close: () => session.close(),
  }
}

/** Devices that the switch's uplinks are made of. */
function uplinkExits(switchName: string, { ports, interfaces }: Replica): readonly Exit[] {
  return [...ports.values()]
    .filter(({ externalIds }) => externalIds[UPLINK_MARK] === switchName)
    .flatMap((port) => port.interfaces)
    .flatMap((id): Exit[] => {
      const { name = '', ofport = -1 } = interfaces.get(id) ?? {}
      return ofport > 0 ? [{ name, port: ofport, before: () => [] }] : []
    })
}

function tunnelExits({ switch: { name, overlay } }: ProbeOptions, replica: Replica) {
  const keys = new Map(overlay?.networks.map(({ vlan, key }) => [vlan, key]))
  const numbers = new Map([...replica.interfaces.values()].map((one) => [one.name, one.ofport]))
  return (overlay?.peers ?? []).flatMap(({ host }): Exit[] => {
    const port = numbers.get(tunnelPort(name, host)) ?? -1
    const before = (vlan: number): readonly FlowAction[] => {
      const key = keys.get(vlan)
      if (key !== undefined) return [{ do: 'set-tunnel', key }]
      const message = `switch ${name}: VLAN ${vlan} has no network in its tunnels`
      throw new PurlinError('PUR_INVALID', { message })
    }
    return port > 0 ? [{ name: tunnelTo(host), port, before }] : []
  })
}

/** Asks that frames be handed to this connection: one that is no controller gets none otherwise. */
function askForFrames(): Request {
  const body = new Writer(4).u16(0).u16(WHOLE_FRAME).taken()
  return { type: messageTypes.setConfiguration, body }
}

function listeningFlow(): Request {
  const writer = new Writer(128)
  writer.u64(COOKIE).u64(0n).u8(0).u8(0).u16(0).u16(FLOW_SECONDS).u16(PRIORITY)
  writer.u32(NO_BUFFER).u32(ANY).u32(ANY).u16(0).u16(0)
  writeMatch(writer, [{ field: 'dl_type', value: BigInt(PROBE_TYPE) }])
  writer
    .u16(APPLY_ACTIONS)
    .u16(8 + ACTION_BYTES)
    .zeros(4)
  writer.u16(OUTPUT).u16(ACTION_BYTES).u32(FROM_CONTROLLER).u16(WHOLE_FRAME).zeros(6)
  return { type: messageTypes.flowMod, body: writer.taken() }
}

function frameOut(frame: Uint8Array, actions: readonly FlowAction[]): Request {
  const writer = new Writer(64 + frame.length)
  writer.u32(NO_BUFFER).u32(FROM_CONTROLLER).u16(0).zeros(6)
  const start = writer.length
  writeActions(writer, actions)
  writer.setU16(8, writer.length - start)
  return { type: messageTypes.packetOut, body: writer.raw(frame).taken() }
}

/** The port and the frame of a message that hands one over. */
function readPacketIn(body: Buffer): { port: number; frame: Buffer } | undefined {
  const HEAD = 16
  const matchBytes = body.readUInt16BE(HEAD + 2)
  let port: number | undefined
  for (let at = HEAD + 4; at + 4 <= HEAD + matchBytes; ) {
    if (body.readUInt32BE(at) === IN_PORT_MATCH) port = body.readUInt32BE(at + 4)
    at += 4 + body.readUInt8(at + 3)
  }
  const frame = body.subarray(HEAD + Math.ceil(matchBytes / 8) * 8 + 2)
  return port === undefined ? undefined : { port, frame }
}
