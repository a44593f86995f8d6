import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { PurlinError } from '@purlin/base'

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]]

/** Whether this process may do what root may. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/** `command` as root would run it: itself for root, by sudo for others. The variables named in
 *  `keep` go with it. Errors: PUR_HOST_UNFIT when this is not root and there is no sudo. */
export async function asRoot(command: Command, keep: readonly string[] = []): Promise<Command> {
  if (isRoot()) return command
  if (!(await onPath('sudo'))) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message:
        'root is needed for namespaces, the switch and packages, this user is not root, and there is no sudo: run ./purlin as root',
    })
  }
  const kept = ['PATH', ...keep].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [`${name}=${value}`]
  })
  return ['sudo', '--', 'env', ...kept, ...command]
}

/** Whether a program of that name is on the PATH. */
export async function onPath(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}
