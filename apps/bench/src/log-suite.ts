import { systemClock } from '@nva/ports';
import { measureAppend } from '../../../libs/event-log/bench/append.ts';
import { measureReplay } from '../../../libs/event-log/bench/replay.ts';
import { rate, type Suite } from './figure.ts';

export const appendSuite: Suite = {
  title: 'append to the embedded log, durable, in group commit',
  figures: ['append_events_per_s'],
  async run({ directory, say }) {
    const { eventsPerS, rawEventsPerS, eventsPerCommit, bytesPerEvent } = await measureAppend({ clock: systemClock, directory });
    say(
      `${eventsPerCommit.toFixed(0)} events a commit, ${bytesPerEvent.toFixed(0)} bytes an event; the limit is node:sqlite writing the same bytes in the same batches`,
    );
    return [rate('append_events_per_s', 'events/s', eventsPerS, { target: 100_000, limit: rawEventsPerS })];
  },
};

export const replaySuite: Suite = {
  title: 'replay the embedded log, decoded',
  figures: ['replay_decode_events_per_s'],
  async run({ directory, say }) {
    const { eventsPerS, bareEventsPerS, openMs } = await measureReplay({ clock: systemClock, directory });
    say(`a log of 1,000,000 events opened, checked, in ${openMs.toFixed(0)} ms; the limit is bare avsc on the same bytes in memory`);
    return [rate('replay_decode_events_per_s', 'events/s', eventsPerS, { target: 800_000, limit: bareEventsPerS })];
  },
};
