import { doctorCheck, type Opinion, type TakenName } from './check.ts'

/** Whether names Purlin needs belong to somebody else; the drivers know. */
export const takenNames = doctorCheck<readonly TakenName[]>({
  name: 'taken-names',
  read: async (_host, { taken }) => taken,
  judge: judgeTakenNames,
})

/** Pure. */
export function judgeTakenNames(taken: readonly TakenName[]): Opinion[] {
  if (taken.length === 0) return [{ status: 'ok', found: 'every name is free or Purlin’s' }]
  return taken.map(({ what, name, told }) => ({
    status: 'problem',
    found: told ?? `${what} ${name} exists and is not Purlin’s`,
    advice: 'Rename or remove it, or give the resource another name; Purlin does not touch it.',
  }))
}
