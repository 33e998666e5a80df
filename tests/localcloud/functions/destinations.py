# SPDX-License-Identifier: Apache-2.0
"""Sends what became of an asynchronous invocation to queues, topics, buses and functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.aws import Aws

if TYPE_CHECKING:
    from localcloud.functions.asynchronous import AsynchronousInvoker


class Destinations:
    """Speaks to the AWS endpoint's own services."""

    def __init__(self, aws: Aws) -> None:
        self._sqs = aws.client("sqs")
        self._sns = aws.client("sns")
        self._events = aws.client("events")

    def send_dead_letter(self, arn: str, payload: bytes, request_id: str, message: str) -> None:
        """The event itself, with what went wrong in the message's attributes."""
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": message or "-"},
        }
        self._publish(arn, payload.decode(), attributes)

    def send(self, arn: str, record: str, invoker: AsynchronousInvoker) -> None:
        """An invocation record."""
        service = arn.split(":")[2]
        if service == "events":
            entry = {"Source": "lambda", "DetailType": "Lambda Function Invocation Result",
                     "Detail": record, "EventBusName": arn}  # fmt: skip
            self._events.put_events(Entries=[entry])
        elif service == "lambda":
            from localcloud.functions.asynchronous import QueuedEvent

            fields = arn.split(":")
            qualifier = fields[7] if len(fields) > 7 else None
            invoker.accept(QueuedEvent(fields[6], qualifier, record.encode()))
        else:
            self._publish(arn, record, {})

    def _publish(self, arn: str, body: str, attributes: dict[str, Any]) -> None:
        _, _, service, _, account, name = arn.split(":")
        if service == "sqs":
            url = self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
            self._sqs.send_message(
                QueueUrl=url["QueueUrl"], MessageBody=body, MessageAttributes=attributes
            )
        elif service == "sns":
            self._sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
        else:
            raise ValueError(f"no destination of this kind here: {json.dumps(arn)}")
