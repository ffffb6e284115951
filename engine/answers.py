"""Which answers a relay may give to which request, and its refusals as errors of ours.

Never lets an answer through that does not belong to its question.
"""

from __future__ import annotations

from typing import Final

from wire import replies, requests
from wire.errors import Code, WireError

_ENTER = (replies.LoggedIn,)

# Failed may answer each of them.
EXPECTED: Final[dict[type, tuple[type, ...]]] = {
    requests.Register: _ENTER,
    requests.Login: (replies.LoggedIn, replies.AccountFound),
    requests.Enroll: _ENTER,
    requests.Resume: _ENTER,
    requests.Append: (replies.Accepted, replies.Conflict),
    requests.Create: (replies.Created,),
    requests.JoinInfo: (replies.JoinInfoFound,),
    requests.Direct: (replies.Found,),
    requests.GetNodes: (replies.NodesFound,),
    requests.Fetch: (replies.Fetched,),
    requests.Ack: (replies.Ok,),
    requests.Heads: (replies.HeadList,),
    requests.GetInbox: (replies.InboxFound,),
    requests.AckInbox: (replies.Ok,),
    requests.Publish: (replies.Ok,),
    requests.Claim: (replies.Claimed,),
    requests.Lookup: (replies.AccountInfo,),
    requests.ListRooms: (replies.RoomList,),
    requests.Who: (replies.NameList,),
    requests.Leave: (replies.Ok,),
    requests.RevokeDevice: (replies.Ok,),
    requests.ListDevices: (replies.DeviceList,),
    requests.AdminAct: (replies.ActDone,),
    requests.Announce: (replies.Ok,),
    requests.ListUsers: (replies.UserList,),
    requests.ListAudit: (replies.AuditList,),
    requests.GetTally: (replies.TallyFound,),
    requests.Logout: (replies.Ok,),
}


def failed_error(failed: replies.Failed) -> WireError:
    """Return a relay's refusal as an error; a code unknown to this client is `unavailable`."""
    try:
        code = Code(failed.code)
    except ValueError:
        code = Code.UNAVAILABLE
    # The keys are the relay's: none of them may stand for the error's own parts.
    return _with_data(WireError(code, failed.text), failed.data)


def _with_data(error: WireError, data: dict[str, str | int | bool | None]) -> WireError:
    error.data.update(data)
    return error
