import { doctorCheck, type KvmVerdict, type Opinion } from './check.ts'

export interface VirtualizationReading {
  /** `vmx`, `svm`: what the processor offers; empty on processors that do not say. */
  readonly cpuFlags: readonly string[]
  readonly device: boolean
  readonly verdict: KvmVerdict | undefined
}

const SLOW = 'machines run in emulation (TCG), several times slower'

/** Whether machines run on the processor itself. */
export const virtualization = doctorCheck<VirtualizationReading>({
  name: 'virtualization',
  read: async (host, { kvmVerdict }) => ({
    cpuFlags: flagsOf((await host.readFile('/proc/cpuinfo')) ?? ''),
    device: (await host.listFolder('/dev'))?.includes('kvm') === true,
    verdict: kvmVerdict,
  }),
  judge: (reading) => [judgeVirtualization(reading)],
})

/** A node /dev/kvm opens on hosts where every start through it fails, so it proves nothing.
 *  Pure. */
export function judgeVirtualization({ cpuFlags, device, verdict }: VirtualizationReading): Opinion {
  const flags = cpuFlags.length > 0 ? `processor flag ${cpuFlags.join(', ')}` : 'no processor flag'
  const seen = `${flags}; /dev/kvm ${device ? 'exists' : 'does not exist'}`
  if (verdict?.works === true) return { status: 'ok', found: `KVM works: ${verdict.found}` }
  if (verdict !== undefined) {
    return {
      status: 'notice',
      found: `KVM does not work: ${verdict.found} (${seen}); ${SLOW}`,
      advice:
        'Switch virtualization on in the firmware, or nested virtualization on the host below.',
    }
  }
  if (device) {
    return {
      status: 'unknown',
      found: `${seen}; only a real start proves KVM`,
      advice: 'Ask the running agent, which has started one: purlin doctor.',
    }
  }
  const advice =
    cpuFlags.length > 0
      ? 'Load kvm_intel or kvm_amd; where that fails, switch virtualization on in the firmware.'
      : 'Switch virtualization on in the firmware, or nested virtualization on the host below.'
  return { status: 'notice', found: `${seen}; ${SLOW}`, advice }
}

function flagsOf(cpuinfo: string): readonly string[] {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/) ?? []
  return ['vmx', 'svm'].filter((flag) => flags.includes(flag))
}
