import { PurlinError, type VirtualClock } from '@purlin/base'
import type { BootDevice, BootRequest, Identity, PowerState } from '@purlin/bmc'
import { type BootDecision, type NodeReach, tokenSha256 } from '@purlin/boot-service'
import type { LifeDesk } from '../../src/life/desk.ts'
import { MAC, UUID } from './lives.ts'
import { reportOf } from './samples.ts'

const SECOND_MS = 1_000
const SERVER = 'http://10.88.0.1:8088'

/** How a BMC and its machine misbehave. */
export interface Faults {
  /** Takes a boot device and starts from disk all the same; `once`: obeys a lasting one. */
  readonly ignoresBoot?: 'always' | 'once'
  /** Says that the power is as was asked, and does nothing. */
  readonly liesAboutPower?: boolean
  /** The BMC answers nothing so many times. */
  readonly deafCalls?: number
  /** The machine in the chassis is another. */
  readonly uuid?: string
  /** Steps of an installation that are never told. */
  readonly untold?: readonly string[]
  /** The installation stops for good before this step. */
  readonly hangsBefore?: string
  /** It starts anew when it comes to this step, once. */
  readonly restartsAt?: string
  /** Its loader tells nothing of the machine. */
  readonly dumbLoader?: boolean
  /** Its maker wrote neither UUID nor serial number, into the board or into the BMC. */
  readonly nameless?: boolean
}

/** A chassis: BMC, firmware, loader, and whatever runs on it, on the test's clock. */
export class Machine {
  readonly mac = MAC
  readonly address = '10.88.0.107'
  readonly #clock: VirtualClock
  readonly #faults: Faults
  readonly #desk: () => LifeDesk | undefined
  #on = false
  #boot: BootRequest = { device: 'none', lasting: false, firmware: 'bios' }
  #deafCalls: number
  #run = new AbortController()
  #restarted = false
  /** A system stands on the disk, with the token of its installation. */
  #installed: { readonly token: string } | undefined
  /** What happened to the disks, in its order. */
  readonly disk: ('wiped' | 'installed' | 'erased')[] = []
  /** What was started, in its order. */
  readonly boots: string[] = []
  uuid: string

  constructor(clock: VirtualClock, faults: Faults, desk: () => LifeDesk | undefined) {
    this.#clock = clock
    this.#faults = faults
    this.#desk = desk
    this.#deafCalls = faults.deafCalls ?? 0
    this.uuid = faults.uuid ?? UUID
  }

  get on(): boolean {
    return this.#on
  }

  get device(): string {
    return this.#boot.device
  }

  async power(): Promise<PowerState> {
    await this.#listen()
    return this.#on ? 'on' : 'off'
  }

  async identity(): Promise<Identity> {
    await this.#listen()
    return this.#faults.nameless ? { uuids: [], serials: [] } : { uuids: [UUID], serials: ['C7'] }
  }

  async switch(wanted: PowerState): Promise<void> {
    await this.#listen()
    if (this.#faults.liesAboutPower === true || this.#on === (wanted === 'on')) return
    this.#on = wanted === 'on'
    this.#run.abort()
    if (this.#on) this.#firmware()
  }

  async bootDevice(): Promise<BootDevice> {
    await this.#listen()
    return { device: this.#boot.device, lasting: this.#boot.lasting, valid: true }
  }

  async setBoot(request: BootRequest): Promise<BootDevice> {
    await this.#listen()
    this.#boot = request
    return { device: request.device, lasting: request.lasting, valid: true }
  }

  /** Its BMC answers nothing so many times. */
  deafen(calls: number): void {
    this.#deafCalls = calls
  }

  /** The mains fail: off, whatever it was doing. */
  cutPower(): void {
    this.#on = false
    this.#run.abort()
  }

  end(): void {
    this.#run.abort()
  }

  async #listen(): Promise<void> {
    await this.#clock.sleep(SECOND_MS / 10)
    if (this.#deafCalls === 0) return
    this.#deafCalls -= 1
    throw new PurlinError('PUR_BMC_NO_ANSWER', { message: 'power of chassis c1: no answer' })
  }

  /** One start of the firmware; it goes on by itself. */
  #firmware(): void {
    const run = new AbortController()
    this.#run = run
    const { ignoresBoot } = this.#faults
    const { device, lasting } = this.#boot
    const obeys = ignoresBoot === undefined || (ignoresBoot === 'once' && lasting)
    const network = device === 'pxe' && obeys
    if (!lasting) this.#boot = { device: 'none', lasting: false, firmware: 'bios' }
    this.#start(network, run.signal).catch((thrown) => {
      if (!run.signal.aborted) throw thrown
    })
  }

  async #start(network: boolean, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(10 * SECOND_MS, signal)
    if (!network) return await this.#fromDisk(signal)
    const decision = await this.#ask()
    signal.throwIfAborted()
    this.boots.push(decision.boot)
    if (decision.boot === 'disk' || decision.boot === 'refused') return await this.#fromDisk(signal)
    await this.#clock.sleep(5 * SECOND_MS, signal)
    const found = decision.arguments.map((each) => /\/node\/([\w-]{22})/.exec(each)?.[1])
    const token = found.find((each) => each !== undefined) ?? ''
    if (decision.boot === 'installer') await this.#installer(token, signal)
    else await this.#discovery(token, signal)
  }

  async #ask(): Promise<BootDecision> {
    const { dumbLoader, nameless } = this.#faults
    const asked = {
      network: 'deploy0',
      mac: this.mac,
      address: this.address,
      firmware: 'bios' as const,
      loader: 'ipxe' as const,
      name: 'c1',
      ...(dumbLoader !== true && nameless !== true && { uuid: this.uuid, serial: 'C7' }),
      urls: { http: SERVER },
    }
    try {
      return (await this.#desk()?.onBoot(asked)) ?? { boot: 'refused', reason: 'no answer' }
    } catch {
      return { boot: 'refused', reason: 'the daemon is gone' }
    }
  }

  async #fromDisk(signal: AbortSignal): Promise<void> {
    this.boots.push('from disk')
    if (this.#installed === undefined) return
    const { token } = this.#installed
    for (let attempt = 0; attempt < 120; attempt++) {
      await this.#clock.sleep(SECOND_MS, signal)
      if (await this.#tell(token, 'running')) return
    }
  }

  /** An installer tells once and does not look whether it was heard. */
  async #installer(token: string, signal: AbortSignal): Promise<void> {
    if (!(await this.#fetch(token, 'preseed.cfg'))) return
    for (const step of ['installing', 'partitioning', 'configuring', 'installed']) {
      if (!(await this.#work(token, step, signal))) return
    }
    this.#installed = { token }
    this.disk.push('installed')
    await this.#clock.sleep(30 * SECOND_MS, signal)
    this.#firmware()
  }

  async #discovery(token: string, signal: AbortSignal): Promise<void> {
    const report = reportOf()
    const system = this.#faults.nameless
      ? { product: 'Rack 1' }
      : { ...report.system, uuid: this.uuid }
    const sent = { ...report, system }
    for (let reported = false; !reported; ) {
      const grant = this.#desk()?.grantOf(tokenSha256(token))
      const answer =
        grant &&
        (await this.#desk()
          ?.onReport(grant, sent)
          .catch(() => undefined))
      reported = answer?.ok === true
      if (!reported) await this.#clock.sleep(5 * SECOND_MS, signal)
    }
    for (let orders = 0; orders < 2_000; orders++) {
      const order = await this.#order(token, signal)
      signal.throwIfAborted()
      if (order === 'image') return await this.#image(token, signal)
      if (order === 'erase') await this.#erase(token, signal)
      else if (order === 'rescue') await this.#tell(token, 'rescue')
      else if (order === 'power-off') return this.cutPower()
      await this.#clock.sleep(5 * SECOND_MS, signal)
    }
  }

  async #order(token: string, signal: AbortSignal): Promise<string> {
    const desk = this.#desk()
    const grant = desk?.grantOf(tokenSha256(token))
    if (desk === undefined || grant === undefined) return 'wait'
    const reached: NodeReach = { token, url: `${SERVER}/node/${token}`, urls: { http: SERVER } }
    const over = new AbortController()
    const wait = this.#clock.sleep(20 * SECOND_MS, signal).then(
      () => over.abort(),
      () => over.abort(),
    )
    const answer = await desk.ordersOf(grant, over.signal, reached).catch(() => undefined)
    over.abort()
    wait.catch(() => {})
    return answer !== undefined && 'order' in answer ? answer.order : 'wait'
  }

  async #image(token: string, signal: AbortSignal): Promise<void> {
    const steps = [
      'installing',
      'partitioning',
      'writing',
      'bootloader',
      'configuring',
      'installed',
      'rebooting',
    ]
    for (const step of steps) {
      if (!(await this.#work(token, step, signal))) return
      if (step === 'installed') {
        this.#installed = { token }
        this.disk.push('installed')
      }
    }
    this.#firmware()
  }

  /** One step of an installation; false where it goes no further. */
  async #work(token: string, step: string, signal: AbortSignal): Promise<boolean> {
    const { untold = [], hangsBefore, restartsAt } = this.#faults
    if (step === hangsBefore) return false
    if (!untold.includes(step)) await this.#tell(token, step)
    signal.throwIfAborted()
    if (step === 'partitioning') {
      this.#installed = undefined
      this.disk.push('wiped')
    }
    await this.#clock.sleep(60 * SECOND_MS, signal)
    if (step === restartsAt && !this.#restarted) {
      this.#restarted = true
      this.#boot = { device: 'pxe', lasting: false, firmware: 'bios' }
      this.#firmware()
      return false
    }
    return true
  }

  async #erase(token: string, signal: AbortSignal): Promise<void> {
    if (!(await this.#tell(token, 'erasing'))) return
    await this.#clock.sleep(60 * SECOND_MS, signal)
    this.#installed = undefined
    this.disk.push('erased')
    for (let told = false; !told; ) {
      told = await this.#tell(token, 'erased')
      await this.#clock.sleep(SECOND_MS, signal)
    }
  }

  async #tell(token: string, step: string): Promise<boolean> {
    const desk = this.#desk()
    const grant = desk?.grantOf(tokenSha256(token))
    if (desk === undefined || grant === undefined) return false
    const answer = await desk.onEvent(grant, step, undefined).catch(() => undefined)
    return answer?.ok === true
  }

  async #fetch(token: string, name: string): Promise<boolean> {
    const desk = this.#desk()
    const grant = desk?.grantOf(tokenSha256(token))
    if (desk === undefined || grant === undefined) return false
    const reached: NodeReach = { token, url: `${SERVER}/node/${token}`, urls: { http: SERVER } }
    try {
      const file = await desk.fileOf(grant, name, reached)
      return file.ok && (!file.once || (await desk.spendFile(grant, name)))
    } catch {
      return false
    }
  }
}
