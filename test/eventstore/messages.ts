/** The messages of the wire, as the client package ships them. Its modules are CommonJS with names that Node cannot see. */
import shared from '@eventstore/db-client/generated/shared_pb.js';
import status from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendResp as BatchAppendRespMessage, ReadResp as ReadRespMessage } from '@eventstore/db-client/generated/streams_pb.js';
import type { WrongExpectedVersion as WrongExpectedVersionMessage } from '@eventstore/db-client/generated/shared_pb.js';
import anyPb from 'google-protobuf/google/protobuf/any_pb.js';
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js';
import { NO_STREAM, type Expected, type Stored } from './stored.ts';

const { Any } = anyPb;
const { Empty } = emptyPb;
const TICKS_PER_MS = 10_000n;

export const uuidOf = (id: string): InstanceType<typeof shared.UUID> => {
  const uuid = new shared.UUID();
  uuid.setString(id);
  return uuid;
};

export const streamOf = (name: string): InstanceType<typeof shared.StreamIdentifier> => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(name).toString('base64'));
  return identifier;
};

export function eventMessage(stored: Stored): ReadRespMessage {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent();
  event.setId(uuidOf(stored.id));
  event.setStreamIdentifier(streamOf(stored.stream));
  event.setStreamRevision(String(stored.revision));
  event.setCommitPosition(String(stored.position));
  event.setPreparePosition(String(stored.position));
  event.setData(stored.data);
  event.setCustomMetadata(stored.metadata);
  const metadata = event.getMetadataMap();
  metadata.set('type', stored.type);
  metadata.set('content-type', stored.isJson ? 'application/json' : 'application/octet-stream');
  metadata.set('created', String(BigInt(stored.createdMs) * TICKS_PER_MS));
  const resolved = new streams.ReadResp.ReadEvent();
  resolved.setEvent(event);
  resolved.setCommitPosition(String(stored.position));
  const response = new streams.ReadResp();
  response.setEvent(resolved);
  return response;
}

export function confirmation(id: string): ReadRespMessage {
  const confirmed = new streams.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId(id);
  const response = new streams.ReadResp();
  response.setConfirmation(confirmed);
  return response;
}

export function caughtUp(): ReadRespMessage {
  const response = new streams.ReadResp();
  response.setCaughtUp(new streams.ReadResp.CaughtUp());
  return response;
}

export function checkpoint(position: number): ReadRespMessage {
  const reached = new streams.ReadResp.Checkpoint();
  reached.setCommitPosition(String(position));
  reached.setPreparePosition(String(position));
  const response = new streams.ReadResp();
  response.setCheckpoint(reached);
  return response;
}

export function streamNotFound(name: string): ReadRespMessage {
  const notFound = new streams.ReadResp.StreamNotFound();
  notFound.setStreamIdentifier(streamOf(name));
  const response = new streams.ReadResp();
  response.setStreamNotFound(notFound);
  return response;
}

export function appended(correlationId: string, stream: string, revision: number, position: number): BatchAppendRespMessage {
  const place = new shared.AllStreamPosition();
  place.setCommitPosition(String(position));
  place.setPreparePosition(String(position));
  const success = new streams.BatchAppendResp.Success();
  success.setCurrentRevision(String(revision));
  success.setPosition(place);
  const response = answerTo(correlationId, stream);
  response.setSuccess(success);
  return response;
}

/** `details` say which error it is; the client goes by their type, not by the code. */
export function refused(
  correlationId: string,
  stream: string,
  message: string,
  details: { readonly type: string; serializeBinary(): Uint8Array },
): BatchAppendRespMessage {
  const packed = new Any();
  packed.pack(details.serializeBinary(), details.type);
  const error = new status.Status();
  error.setMessage(message);
  error.setDetails(packed);
  const response = answerTo(correlationId, stream);
  response.setError(error);
  return response;
}

function answerTo(correlationId: string, stream: string): BatchAppendRespMessage {
  const response = new streams.BatchAppendResp();
  response.setCorrelationId(uuidOf(correlationId));
  response.setStreamIdentifier(streamOf(stream));
  return response;
}

export function wrongExpectedVersion(expected: Expected, actual: number): { readonly type: string; serializeBinary(): Uint8Array } {
  const details: WrongExpectedVersionMessage = new shared.WrongExpectedVersion();
  if (actual === NO_STREAM) details.setCurrentNoStream(new Empty());
  else details.setCurrentStreamRevision(String(actual));
  if (expected === 'any') details.setExpectedAny(new Empty());
  else if (expected === 'stream-exists') details.setExpectedStreamExists(new Empty());
  else if (expected === NO_STREAM) details.setExpectedNoStream(new Empty());
  else details.setExpectedStreamPosition(String(expected));
  return withType('WrongExpectedVersion', details);
}

export function streamDeleted(stream: string): { readonly type: string; serializeBinary(): Uint8Array } {
  const details = new shared.StreamDeleted();
  details.setStreamIdentifier(streamOf(stream));
  return withType('StreamDeleted', details);
}

export function maximumAppendSizeExceeded(bytes: number): { readonly type: string; serializeBinary(): Uint8Array } {
  const details = new shared.MaximumAppendSizeExceeded();
  details.setMaxappendsize(bytes);
  return withType('MaximumAppendSizeExceeded', details);
}

/** Details that name no error, as of a node that cannot take appends now. */
export const unnamed = (): { readonly type: string; serializeBinary(): Uint8Array } => ({
  type: 'google.protobuf.Empty',
  serializeBinary: () => new Empty().serializeBinary(),
});

export const timedOut = (): { readonly type: string; serializeBinary(): Uint8Array } => withType('Timeout', new shared.Timeout());

const withType = (name: string, message: { serializeBinary(): Uint8Array }): { readonly type: string; serializeBinary(): Uint8Array } => ({
  type: `event_store.client.${name}`,
  serializeBinary: () => message.serializeBinary(),
});

export const nameIn = (identifier: { getStreamName_asU8(): Uint8Array } | undefined): string =>
  Buffer.from(identifier!.getStreamName_asU8()).toString('utf8');

/** UUIDs come as text or as two 64-bit halves. */
export function idIn(uuid: InstanceType<typeof shared.UUID>): string {
  const structured = uuid.getStructured();
  if (!structured) return uuid.getString();
  const half = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0');
  const hex = half(structured.getMostSignificantBits()) + half(structured.getLeastSignificantBits());
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
