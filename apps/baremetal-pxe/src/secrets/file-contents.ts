import type { UserInput } from '@purlin/deployment-template'
import type { SpecOf } from '@purlin/schema'
import type { FileTexts } from './manifest-files.ts'

/** A password as its file holds it: the last line end is an editor's. Pure. */
export function passwordOf(text: string): string {
  return text.replace(/\r?\n$/, '')
}

/** The users of a template with what their files hold. A file of keys may hold several, one a line,
 *  as authorized_keys does. Pure. */
export function usersOf(spec: SpecOf<'DeploymentTemplate'>, texts: FileTexts): UserInput[] {
  return spec.users.map(({ name, passwordHashFile, sshKeys, sudo }) => {
    const hash = passwordHashFile === undefined ? undefined : texts.get(passwordHashFile)?.trim()
    return {
      name,
      ...(hash !== undefined && { passwordHash: hash }),
      sshKeys: sshKeys.flatMap((file) => linesOf(texts.get(file) ?? '')),
      sudo,
    }
  })
}

/** The scripts of a template, in its order. Pure. */
export function scriptsOf(
  { scripts }: SpecOf<'DeploymentTemplate'>,
  texts: FileTexts,
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const read = (files: readonly string[]): string[] => files.map((file) => texts.get(file) ?? '')
  return { before: read(scripts.before), after: read(scripts.after) }
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}
