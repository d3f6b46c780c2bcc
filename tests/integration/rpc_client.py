"""A client of a controller for tests, written only from the proto files."""

import grpc

from layernas.v1 import admin_service_pb2_grpc
from layernas.v1 import fleet_service_pb2_grpc
from layernas.v1 import search_pb2
from layernas.v1 import search_service_pb2
from layernas.v1 import search_service_pb2_grpc
from layernas.v1 import worker_service_pb2_grpc
from waiting import PATIENCE_S
from waiting import wait_for

# Every RPC of the tests has a deadline.
RPC_DEADLINE_S = 60.0

FINAL_STATES = (
    search_pb2.SEARCH_STATE_SUCCEEDED,
    search_pb2.SEARCH_STATE_FAILED,
    search_pb2.SEARCH_STATE_CANCELLED,
)


class _Bearer(
    grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor
):
    """Adds a token to every call."""

    def __init__(self, token):
        self._metadata = ("authorization", f"Bearer {token}")

    def _with_token(self, details):
        # gRPC's class for this argument is not public, but it is a named tuple.
        return details._replace(metadata=[*(details.metadata or ()), self._metadata])

    def intercept_unary_unary(self, continuation, client_call_details, request):
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(self, continuation, client_call_details, request):
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_stream(self, continuation, client_call_details, request_iterator):
        return continuation(self._with_token(client_call_details), request_iterator)


class Client:
    """Stubs of a controller. Each call has a deadline. The client reconnects at once when the controller comes back.

    credentials: those of a channel with TLS. token: sent with each call."""

    def __init__(self, address, credentials=None, token=None):
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
            # Do not share another client's connection, which may use other certificates.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if credentials:
            self._channel = grpc.secure_channel(address, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(address, options=options)
        if token:
            self._channel = grpc.intercept_channel(self._channel, _Bearer(token))
        self.channel = self._channel
        self._stubs = [
            search_service_pb2_grpc.SearchServiceStub(self._channel),
            worker_service_pb2_grpc.WorkerServiceStub(self._channel),
            fleet_service_pb2_grpc.FleetServiceStub(self._channel),
            admin_service_pb2_grpc.AdminServiceStub(self._channel),
        ]

    def call(self, method, request, timeout_s=RPC_DEADLINE_S, wait_for_ready=True):
        return self.method(method)(request, timeout=timeout_s, wait_for_ready=wait_for_ready)

    def method(self, name):
        return next(getattr(stub, name) for stub in self._stubs if hasattr(stub, name))

    def create(self, spec, request_id=""):
        request = search_service_pb2.CreateSearchRequest(spec=spec, request_id=request_id)
        return self.call("CreateSearch", request).search

    def search(self, name):
        return self.call("GetSearch", search_service_pb2.GetSearchRequest(name=name)).search

    def candidates(self, name, page_size=0, states=()):
        """Returns the candidates of all pages."""
        found, token = [], ""
        while True:
            request = search_service_pb2.ListCandidatesRequest(
                parent=name, page_size=page_size, page_token=token, states=states
            )
            answer = self.call("ListCandidates", request)
            found.extend(answer.candidates)
            token = answer.next_page_token
            if not token:
                return found

    def frontier(self, name):
        return self.call("GetFrontier", search_service_pb2.GetFrontierRequest(name=name))

    def buckets(self, name, pass_number=0, stage=0):
        """Returns {bucket: [(architecture id, reward, cost), …]} of the buckets that are not empty."""
        request = search_service_pb2.GetBucketsRequest(name=name, stage=stage, **{"pass": pass_number})
        found = {}
        while True:
            answer = self.call("GetBuckets", request)
            for bucket in answer.buckets:
                if bucket.entries:
                    found[bucket.bucket] = [(entry.architecture_id, entry.reward, entry.cost) for entry in bucket.entries]
            request.page_token = answer.next_page_token
            if not request.page_token:
                return found

    def wait_for_end(self, name, timeout_s=PATIENCE_S):
        """Returns the search in its final state."""

        def ended():
            try:
                search = self.search(name)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNAVAILABLE:
                    return None
                raise
            return search if search.state in FINAL_STATES else None

        return wait_for(ended, f"the end of {name}", timeout_s)

    def close(self):
        self._channel.close()
