import type { LifeEvent } from '../event.ts'
import type { Life } from '../life.ts'
import { wordOfOutcome } from './commands.ts'
import { wordOfContact, wordOfReport, wordOfStep } from './nodes.ts'
import { wordOfRequest } from './requests.ts'
import { wordOfPower, wordOfTime } from './time.ts'
import { ignored, refused, type Verdict } from './verdict.ts'

/** What an event means to a life: one word of the table, nothing, or a refusal. Pure and total. */
export function wordOf(life: Life, event: LifeEvent, nowMs: number): Verdict {
  switch (event.type) {
    case 'asked':
      return wordOfRequest(life, event.request)
    case 'carried-out':
      return wordOfOutcome(life, event.id, event.outcome)
    case 'contact':
      return wordOfContact(life, event)
    case 'reported':
      return wordOfReport(life, event.judgement)
    case 'told':
      return wordOfStep(life, event.step, event.message)
    case 'spent': {
      const { grant } = life
      if (grant?.tokenSha256 !== event.tokenSha256) return refused('its token is of another boot')
      return grant.served.includes(event.file) ? ignored('it was served before') : { word: 'spend' }
    }
    case 'time':
      return wordOfTime(life, nowMs)
    case 'amended': {
      const { bootMac, firmware, trustsMac = false } = event
      const trusts = trustsMac === (life.trustsMac ?? false)
      const same = bootMac === life.bootMac && firmware === life.firmware && trusts
      return same ? ignored('it is as known') : { word: 'amend' }
    }
    case 'power-seen':
      return wordOfPower(life, event.power)
  }
}
