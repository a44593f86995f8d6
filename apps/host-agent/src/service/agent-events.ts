import { type NewEvent, type Task, taskEnded } from '@purlin/schema'

/** What is told of connections that a change of rules has ended. */
export function endedEvent(count: number): NewEvent {
  const message = `${count} tracked connections ended that the new rules refuse`
  const subject = { kind: 'Lane', name: 'netfilter' }
  return { type: 'connections.ended', severity: 'notice', subject, message }
}

/** What is told of a task that has ended. */
export function taskEvent(task: Task): NewEvent {
  const what = `${task.verb} ${task.targets.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`
  const failed = task.state === 'failed'
  return {
    type: `task.${task.state}`,
    severity: failed ? 'warning' : 'notice',
    subject: { kind: 'Task', name: task.id },
    message: `${what}: ${failed ? task.problem?.detail : taskEnded(task) ? task.state : 'running'}`,
  }
}
