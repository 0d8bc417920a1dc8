import { describe, expect, it } from 'vitest';
import type { Nve } from '../src/api/answers.ts';
import { parseMetrics, sampleOf } from '../src/api/metrics.ts';
import { topText } from '../src/commands/top.ts';
import { Paint } from '../src/output/paint.ts';

const metricsAt = (head: number, requests: number, refused: number): string => `# HELP nva_log_head_position Position.
# TYPE nva_log_head_position gauge
nva_log_head_position ${head}
nva_consumer_lag_positions{consumer="fold"} 0
nva_consumer_lag_positions{consumer="feeds"} 3
nva_consumer_lag_seconds{consumer="fold"} 0
nva_consumer_lag_seconds{consumer="feeds"} 1.5
nva_http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/v1/vns",status="200"} ${requests}
nva_http_request_duration_seconds_count{method="GET",route="/v1/vns",status="200"} ${requests}
nva_http_request_duration_seconds_count{method="PUT",route="a \\"b\\"\\\\",status="409"} ${refused}
nva_append_duration_seconds_sum ${requests / 100}
nva_append_duration_seconds_count ${requests}
not a metric
`;
const applied = (verdict: string) => ({ log: 'l', position: '3', digest: 'd', verdict });
const nve = (nveId: string, verdicts: readonly (string | null)[], status = 'reachable') =>
  ({
    nveId,
    status,
    reachable: status === 'reachable',
    memberships: verdicts.map((verdict, i) => ({ vnid: i + 1, since: '1', applied: verdict === null ? null : applied(verdict) })),
  }) as unknown as Nve;
const ready = { ready: true, log: 'l', foldPosition: '10', publishedPosition: '7' };

describe('metrics', () => {
  it('are read with their labels, and what is none is passed over', () => {
    const metrics = parseMetrics(metricsAt(10, 5, 2));
    expect(metrics.get('nva_log_head_position')).toEqual([{ labels: {}, value: 10 }]);
    expect(metrics.get('nva_http_request_duration_seconds_count')![1]).toEqual({
      labels: { method: 'PUT', route: 'a "b"\\', status: '409' },
      value: 2,
    });
    expect(metrics.get('nva_http_request_duration_seconds_bucket')![0]!.labels['le']).toBe('+Inf');
    expect([...metrics.keys()]).not.toContain('not');
  });
});

describe('a look at the NVA', () => {
  const nves = [nve('a', ['same', 'behind']), nve('b', ['same']), nve('c', [null], 'lapsed')];
  const first = sampleOf(1_000, ready, parseMetrics(metricsAt(10, 100, 0)), nves, null);
  const second = sampleOf(3_000, { ...ready, foldPosition: '30' }, parseMetrics(metricsAt(30, 110, 4)), nves, first);

  it('has no rates at first, and those since the look before from then on', () => {
    expect(first.rates).toEqual({ events: null, requests: null, failures: null, appendMs: null, publishDelayMs: null });
    expect(second.rates).toMatchObject({ events: 10, requests: 7, failures: 2, publishDelayMs: null });
    expect(second.rates.appendMs).toBeCloseTo(10);
  });

  it('names the lag of each consumer, and the NVEs that have not proven what they hold', () => {
    expect(second.lags).toEqual([
      { consumer: 'fold', positions: 0, seconds: 0 },
      { consumer: 'feeds', positions: 3, seconds: 1.5 },
    ]);
    expect(second.nves).toEqual({ known: 3, reachable: 2, unproven: 2 });
    expect(second.unproven.map(({ nveId, vnid, verdict }) => `${nveId} ${vnid} ${verdict}`)).toEqual(['a 2 behind', 'c 1 not reported']);
  });

  it('never has a negative rate, as after a restart of the NVA', () => {
    expect(sampleOf(5_000, ready, parseMetrics(metricsAt(1, 0, 0)), [], second).rates).toMatchObject({ events: 0, requests: 0 });
  });

  it('is shown to people', () => {
    const text = topText(second, new Paint({ isTTY: false }, {}), 'http://nva');
    expect(text).toContain('10.0/s');
    expect(text).toMatch(/feeds +3 +1\.5/);
    expect(text).toMatch(/c +1 +lapsed +not reported +-/);
  });
});
