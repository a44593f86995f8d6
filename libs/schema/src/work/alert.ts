import { z } from 'zod'

/** Something a person should know, raised once and cleared when it is over. */
export const alert = z
  .strictObject({
    id: z.string().meta({ description: 'The same for the same trouble: `code/kind/name`.' }),
    code: z.string(),
    severity: z.enum(['notice', 'warning', 'critical']),
    subject: z.strictObject({ kind: z.string(), name: z.string() }),
    message: z.string(),
    raisedAtMs: z.number().int(),
    clearedAtMs: z.number().int().optional(),
  })
  .meta({ id: 'Alert' })
export type Alert = z.infer<typeof alert>

/** What raises an alert; the rest follows from it. */
export type AlertCause = Pick<Alert, 'code' | 'severity' | 'subject' | 'message'>

/** Raises the alert, or keeps the one that stands. Pure; shape: alerts by id. */
export function raiseAlert(
  alerts: ReadonlyMap<string, Alert>,
  cause: AlertCause,
  nowMs: number,
): ReadonlyMap<string, Alert> {
  const id = `${cause.code}/${cause.subject.kind}/${cause.subject.name}`
  const standing = alerts.get(id)
  const raisedAtMs = standing && standing.clearedAtMs === undefined ? standing.raisedAtMs : nowMs
  return new Map(alerts).set(id, { id, ...cause, raisedAtMs })
}

/** Clears the alert where it stands; anything else stays as it is. Pure. */
export function clearAlert(
  alerts: ReadonlyMap<string, Alert>,
  id: string,
  nowMs: number,
): ReadonlyMap<string, Alert> {
  const standing = alerts.get(id)
  if (standing === undefined || standing.clearedAtMs !== undefined) return alerts
  return new Map(alerts).set(id, { ...standing, clearedAtMs: nowMs })
}
