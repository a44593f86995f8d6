import { type Clock, errorCatalogue } from '@purlin/base'
import { type Alert, type AlertCause, clearAlert, type NewEvent, raiseAlert } from '@purlin/schema'

/** The alerts of this host. Each raise and each clearing is an event, once. */
export class Alerts {
  readonly #clock: Clock
  readonly #tell: (event: NewEvent) => void
  #alerts: ReadonlyMap<string, Alert> = new Map()

  constructor(clock: Clock, tell: (event: NewEvent) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  list(): readonly Alert[] {
    return [...this.#alerts.values()].toSorted((a, b) => b.raisedAtMs - a.raisedAtMs)
  }

  raise(cause: AlertCause): void {
    const before = this.#alerts
    this.#alerts = raiseAlert(before, cause, this.#clock.nowMs())
    const id = `${cause.code}/${cause.subject.kind}/${cause.subject.name}`
    const standing = before.get(id)
    if (standing !== undefined && standing.clearedAtMs === undefined) return
    this.#tell({ type: 'alert.raised', ...eventOf(cause) })
  }

  /** Clears every standing alert of the subject, or those of one code. */
  clear(subject: Alert['subject'], code?: AlertCause['code']): void {
    for (const alert of this.#alerts.values()) {
      if (alert.clearedAtMs !== undefined) continue
      if (code !== undefined && alert.code !== code) continue
      if (alert.subject.kind !== subject.kind || alert.subject.name !== subject.name) continue
      this.#alerts = clearAlert(this.#alerts, alert.id, this.#clock.nowMs())
      const message = `over: ${alert.message}`
      this.#tell({ type: 'alert.cleared', ...eventOf(alert), severity: 'notice', message })
    }
  }
}

/** How grave a failed lane is: one that mends itself is a warning, one that needs a person is
 *  critical. */
export function severityOf(code: keyof typeof errorCatalogue): Alert['severity'] {
  return errorCatalogue[code].retry === 'later' ? 'warning' : 'critical'
}

function eventOf({ code, severity, subject, message }: AlertCause): Omit<NewEvent, 'type'> {
  return { severity, subject, message, context: { code } }
}
