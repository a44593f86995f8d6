import type { Cli } from '../cli.ts'
import type { Table } from '../output/table.ts'
import { resourceTable } from '../views/resource-table.ts'
import { surroundings } from '../views/surroundings.ts'

/** Prints all machines with the domains of libvirt that are not Purlin's. */
export async function listAllMachines(cli: Cli): Promise<void> {
  const { virtualMachines } = cli.client
  const [machines, foreign] = await Promise.all([virtualMachines.list(), virtualMachines.foreign()])
  const around = cli.output === 'table' ? await surroundings(cli, 'VirtualMachine') : undefined
  const nowMs = cli.streams.clock.nowMs()
  cli.print({ machines, foreign }, () => {
    const own = resourceTable('VirtualMachine', machines, around, nowMs)
    const rows = foreign.map(({ name, powerState, host }) => {
      return [name, powerState, `on ${host}`, { text: 'FOREIGN', tone: 'careful' as const }, '']
    })
    return { ...own, columns: COLUMNS, rows: [...own.rows, ...rows] } satisfies Table
  })
}

const COLUMNS = ['NAME', 'POWER', 'ADDRESSES', 'READY', 'AGE']
