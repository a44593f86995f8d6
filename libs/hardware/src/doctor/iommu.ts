import { doctorCheck, type Opinion } from './check.ts'

export interface IommuReading {
  /** Names in /sys/class/iommu; one for each unit that is in use. */
  readonly units: readonly string[]
  readonly commandLine: string
}

/** Whether devices can be handed to machines. */
export const iommu = doctorCheck<IommuReading>({
  name: 'iommu',
  read: async (host) => ({
    units: (await host.listFolder('/sys/class/iommu')) ?? [],
    commandLine: ((await host.readFile('/proc/cmdline')) ?? '').trim(),
  }),
  judge: (reading) => [judgeIommu(reading)],
})

/** Pure. Source: kernel documentation, admin-guide/kernel-parameters. */
export function judgeIommu({ units, commandLine }: IommuReading): Opinion {
  const asked = commandLine.split(/\s+/).filter((word) => /^(intel_|amd_)?iommu=/.test(word))
  const words = asked.length > 0 ? `, kernel command line: ${asked.join(' ')}` : ''
  if (units.length > 0) return { status: 'ok', found: `${units.length} units${words}` }
  return {
    status: 'notice',
    found: `none in use${words}; devices cannot be passed through to machines`,
    advice:
      'Only for passthrough: switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on where the processor is Intel’s.',
  }
}
