import { contentStatus } from '../../resources/bare-metal/source.ts'
import { task } from '../../work/task.ts'
import type { Operation } from '../operation.ts'
import { contentQuery } from './content.ts'
import { installationPlan, releaseRequest, templateCheckQuery } from './instance.ts'
import {
  instanceMetrics,
  instanceMetricsHistory,
  metricsRange,
  metricsSelection,
} from './metrics.ts'

const instancePath = '/v1/bare-metal-instances/:name'

/** Calls of instances, templates, media and images. */
export const installationOperations = {
  releaseInstance: {
    method: 'POST',
    path: `${instancePath}/release`,
    summary: 'Delete the instance: its disks are erased, then its chassis is available again.',
    role: 'operator',
    status: 202,
    body: releaseRequest,
    answer: task,
  },
  planInstance: {
    method: 'GET',
    path: `${instancePath}/plan`,
    summary: 'Layout, network and answers of its installation, without secrets.',
    role: 'viewer',
    status: 200,
    answer: installationPlan,
  },
  instanceMetrics: {
    method: 'GET',
    path: `${instancePath}/metrics`,
    summary: 'The newest figures of the system inside.',
    role: 'viewer',
    status: 200,
    query: metricsSelection,
    answer: instanceMetrics,
  },
  instanceMetricsHistory: {
    method: 'GET',
    path: `${instancePath}/metrics/range`,
    summary: 'One figure over the last day.',
    role: 'viewer',
    status: 200,
    query: metricsRange,
    answer: instanceMetricsHistory,
  },
  checkTemplate: {
    method: 'GET',
    path: '/v1/deployment-templates/:name/check',
    summary: 'Whether a template fits a chassis, and what it would become there.',
    role: 'viewer',
    status: 200,
    query: templateCheckQuery,
    answer: installationPlan,
  },
  uploadMedia: {
    method: 'PUT',
    path: '/v1/install-media/:name/content',
    summary: 'Upload the ISO; an upload that was cut off goes on at its offset.',
    role: 'operator',
    status: 200,
    query: contentQuery,
    bodyType: 'application/octet-stream',
    streamed: true,
    answer: contentStatus,
  },
  uploadImage: {
    method: 'PUT',
    path: '/v1/images/:name/content',
    summary: 'Upload the root image; an upload that was cut off goes on at its offset.',
    role: 'operator',
    status: 200,
    query: contentQuery,
    bodyType: 'application/octet-stream',
    streamed: true,
    answer: contentStatus,
  },
} as const satisfies Record<string, Operation>
