import { type StateTable, stateTable } from '@purlin/base'

/** In every state: a command that failed waits for its next try, or is done and changes no more. */
const commanded = <State extends string>(state: State) => ({ pause: state, done: state }) as const

/** In every state at rest. */
const atRest = <State extends string>(state: State) =>
  ({
    ...commanded(state),
    maintain: state,
    power: state,
    drift: state,
    amend: state,
    wish: state,
    unwish: state,
  }) as const

/** While a node is started over the network. */
const starting = <State extends string>(state: State) =>
  ({
    ...commanded(state),
    maintain: state,
    started: state,
    contact: state,
    again: state,
    spend: state,
    progress: state,
    wish: state,
    unwish: state,
    fail: 'failed',
  }) as const

/** While an installation writes; from here nothing is started again by itself. */
const installing = <State extends string>(state: State) =>
  ({
    ...commanded(state),
    maintain: state,
    spend: state,
    progress: state,
    fail: 'failed',
    cancel: 'cancelling',
  }) as const

/** The life of a chassis: in which state which word leads where. A word that is not in a state's
 *  row is refused there and changes nothing. What decides on a word is `wordOf`, what it changes
 *  beside the state is `effects`. docs/bare-metal-life.md shows it whole. */
export const lifeTable = stateTable({
  enrolled: { ...atRest('enrolled'), verify: 'verifying' },
  verifying: {
    ...commanded('verifying'),
    maintain: 'verifying',
    wish: 'verifying',
    unwish: 'verifying',
    identified: 'manageable',
    cancel: 'enrolled',
    fail: 'failed',
  },
  manageable: {
    ...atRest('manageable'),
    verify: 'verifying',
    discover: 'discovering',
    rescue: 'rescuing',
  },
  discovering: {
    ...starting('discovering'),
    report: 'discovering',
    settle: 'discovering',
    thenAvailable: 'available',
    cancel: 'cancelling',
  },
  available: {
    ...atRest('available'),
    verify: 'verifying',
    discover: 'discovering',
    deploy: 'preparing',
    rescue: 'rescuing',
    release: 'erasing',
  },
  preparing: {
    ...commanded('preparing'),
    maintain: 'preparing',
    prepared: 'booting',
    cancel: 'available',
    fail: 'failed',
  },
  booting: {
    ...starting('booting'),
    report: 'booting',
    installing: 'installing',
    partitioning: 'partitioning',
    writing: 'writing',
    bootloader: 'bootloader',
    configuring: 'configuring',
    installed: 'rebooting',
    cancel: 'cancelling',
  },
  installing: {
    ...installing('installing'),
    partitioning: 'partitioning',
    writing: 'writing',
    bootloader: 'bootloader',
    configuring: 'configuring',
    installed: 'rebooting',
    running: 'active',
  },
  partitioning: {
    ...installing('partitioning'),
    writing: 'writing',
    bootloader: 'bootloader',
    configuring: 'configuring',
    installed: 'rebooting',
    running: 'active',
  },
  writing: {
    ...installing('writing'),
    bootloader: 'bootloader',
    configuring: 'configuring',
    installed: 'rebooting',
    running: 'active',
  },
  bootloader: {
    ...installing('bootloader'),
    configuring: 'configuring',
    installed: 'rebooting',
    running: 'active',
  },
  configuring: { ...installing('configuring'), installed: 'rebooting', running: 'active' },
  rebooting: { ...installing('rebooting'), running: 'active' },
  active: {
    ...atRest('active'),
    rescue: 'rescuing',
    release: 'erasing',
  },
  cancelling: {
    ...commanded('cancelling'),
    maintain: 'cancelling',
    wish: 'cancelling',
    unwish: 'cancelling',
    thenAvailable: 'available',
    thenManageable: 'manageable',
    thenErasing: 'erasing',
    thenFailed: 'failed',
    fail: 'failed',
  },
  erasing: {
    ...starting('erasing'),
    report: 'erasing',
    settle: 'erasing',
    thenAvailable: 'available',
    cancel: 'cancelling',
  },
  rescuing: {
    ...starting('rescuing'),
    report: 'rescuing',
    rescued: 'rescue',
    cancel: 'leaving',
  },
  rescue: {
    ...atRest('rescue'),
    contact: 'rescue',
    report: 'rescue',
    progress: 'rescue',
    spend: 'rescue',
    cancel: 'leaving',
    release: 'erasing',
  },
  leaving: {
    ...commanded('leaving'),
    maintain: 'leaving',
    wish: 'leaving',
    unwish: 'leaving',
    thenAvailable: 'available',
    thenManageable: 'manageable',
    thenActive: 'active',
    thenFailed: 'failed',
    fail: 'failed',
  },
  failed: {
    ...atRest('failed'),
    verify: 'verifying',
    discover: 'discovering',
    deploy: 'preparing',
    rescue: 'rescuing',
    release: 'erasing',
    leave: 'leaving',
    cancel: 'cancelling',
    dismiss: 'enrolled',
  },
})

type Rows = typeof lifeTable extends StateTable<infer R> ? R : never

/** What an event means in a state: the column of the table. */
export type LifeWord = { [State in keyof Rows]: keyof Rows[State] & string }[keyof Rows]
