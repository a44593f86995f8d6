import type { LifeRequest } from '../event.ts'
import { type DeployRequest, isDeploying, type Life } from '../life.ts'
import { ignored, refused, type Verdict } from './verdict.ts'

/** What a request means to a life. A request that cannot be begun now and is no fault is kept as a
 *  wish, and taken up when the chassis is available. Pure. */
export function wordOfRequest(life: Life, request: LifeRequest): Verdict {
  switch (request.ask) {
    case 'maintenance':
      if (request.on === life.maintenance && request.reason === life.maintenanceReason) {
        return ignored('maintenance is as asked')
      }
      return { word: 'maintain' }
    case 'power':
      return { word: 'power' }
    case 'cancel':
      return wordOfCancel(life)
    case 'release':
      return wordOfRelease(life, request.uid)
    case 'deploy':
      return wordOfDeploy(life, request)
    case 'verify':
      if (life.state === 'verifying') return ignored('it is being verified')
      return holds(life) ? refused(HOLDS) : { word: 'verify' }
    default:
      if (life.maintenance) return refused('it is in maintenance; end that first')
      if (request.ask === 'retry') return wordOfRetry(life)
      if (request.ask === 'discover') return wordOfDiscover(life)
      return { word: 'rescue' }
  }
}

/** Whether two requests are one and the same. */
export function sameRequest(one: DeployRequest | undefined, other: DeployRequest): boolean {
  return one?.uid === other.uid && one.generation === other.generation
}

function wordOfDeploy(life: Life, request: DeployRequest): Verdict {
  const { state, deployment, asked, wish, failure } = life
  if (sameRequest(asked, request)) return ignored('the request was taken up before')
  if (sameRequest(wish, request)) return ignored('the request waits')
  const goes = state === 'erasing' || state === 'cancelling'
  if (deployment !== undefined && !goes) {
    const own = deployment.uid === request.uid
    if (!own) return refused(`instance ${deployment.instance} is on it; delete that first`)
    if (state !== 'failed' || life.before !== undefined) {
      return refused(`instance ${request.instance} is on it; delete it before it is changed`)
    }
  }
  // What stands on the disks has to be gone first, and a stranger is never written to.
  const owed = life.eraseOwed === true || life.before !== undefined
  const stuck = state === 'failed' && (owed || failure?.retriable === false)
  if (life.maintenance || stuck) return { word: 'wish' }
  if (state === 'available') return { word: 'deploy' }
  if (state === 'manageable') return { word: 'discover' }
  if (state !== 'failed') return { word: 'wish' }
  if (life.proven === true) return { word: 'deploy' }
  return { word: life.identity === undefined ? 'verify' : 'discover' }
}

function wordOfCancel({ state, wish, failure }: Life): Verdict {
  if (state === 'enrolled' || state === 'manageable' || state === 'available') {
    return wish === undefined ? ignored('nothing is under way') : { word: 'unwish' }
  }
  if (state === 'cancelling' || state === 'leaving') return ignored('it is being given up')
  if (state !== 'failed') return { word: 'cancel' }
  if (failure?.step === 'verifying') return { word: 'dismiss' }
  const rescued = failure?.step === 'rescuing' || failure?.step === 'leaving'
  return { word: rescued ? 'leave' : 'cancel' }
}

function wordOfRelease(life: Life, uid: string | undefined): Verdict {
  const { state, deployment, wish, eraseOwed } = life
  if (uid !== undefined && deployment?.uid !== uid) {
    const named = wish?.uid === uid || life.asked?.uid === uid
    return named ? { word: 'unwish' } : ignored('the chassis is not that instance’s')
  }
  if (state === 'erasing' || state === 'cancelling') return ignored('it is being released')
  if (isDeploying(state)) return { word: 'cancel' }
  const clean = deployment?.touched === false && eraseOwed !== true
  if (state === 'failed' && clean) return wordOfCancel(life)
  if (life.reportId === undefined) {
    return refused('it was never discovered, so its disks are not known; discover it first')
  }
  return { word: 'release' }
}

function wordOfDiscover(life: Life): Verdict {
  if (life.state === 'discovering') return ignored('it is being discovered')
  return holds(life) ? refused(HOLDS) : { word: 'discover' }
}

const HOLDS = 'its disks hold what is not to be forgotten; retry, cancel or release first'

/** Whether a failed life still owes something: disks that were begun, or a place to return to. */
function holds({ state, deployment, eraseOwed, before }: Life): boolean {
  if (state !== 'failed') return false
  return deployment?.touched === true || eraseOwed === true || before !== undefined
}

/** A failed step begins anew; a request that was cancelled is taken up again. */
function wordOfRetry({ state, failure, asked, deployment }: Life): Verdict {
  if (state === 'available' && asked !== undefined && deployment === undefined) {
    return { word: 'deploy' }
  }
  if (state !== 'failed' || failure === undefined) return refused('nothing of it has failed')
  const { step } = failure
  if (step === 'verifying') return { word: 'verify' }
  if (step === 'discovering') return { word: 'discover' }
  if (step === 'erasing') return { word: 'release' }
  if (step === 'rescuing') return { word: 'rescue' }
  if (step === 'leaving') return { word: 'leave' }
  return { word: step === 'cancelling' ? 'cancel' : 'deploy' }
}
