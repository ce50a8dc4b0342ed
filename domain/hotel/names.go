package hotel

// Name implements Command.
func (c *ArchiveHotel) Name() string { return "archive_hotel" }

// Name implements Command.
func (c *ArchiveRatePlan) Name() string { return "archive_rate_plan" }

// Name implements Command.
func (c *ArchiveRoom) Name() string { return "archive_room" }

// Name implements Command.
func (c *ArchiveRoomType) Name() string { return "archive_room_type" }

// Name implements Command.
func (c *CancelGroup) Name() string { return "cancel_group" }

// Name implements Command.
func (c *CancelReservation) Name() string { return "cancel_reservation" }

// Name implements Command.
func (c *CheckIn) Name() string { return "check_in" }

// Name implements Command.
func (c *CheckOut) Name() string { return "check_out" }

// Name implements Command.
func (c *CheckPayment) Name() string { return "check_payment" }

// Name implements Command.
func (c *CheckRefund) Name() string { return "check_refund" }

// Name implements Command.
func (c *CompleteRefund) Name() string { return "complete_refund" }

// Name implements Command.
func (c *ConfirmReservation) Name() string { return "confirm_reservation" }

// Name implements Command.
func (c *CreateHotel) Name() string { return "create_hotel" }

// Name implements Command.
func (c *CreateRatePlan) Name() string { return "create_rate_plan" }

// Name implements Command.
func (c *CreateRoom) Name() string { return "create_room" }

// Name implements Command.
func (c *CreateRoomType) Name() string { return "create_room_type" }

// Name implements Command.
func (c *DeclineReservation) Name() string { return "decline_reservation" }

// Name implements Command.
func (c *ExpireHolds) Name() string { return "expire_holds" }

// Name implements Command.
func (c *ExtendInventory) Name() string { return "extend_inventory" }

// Name implements Command.
func (c *ForgetGuest) Name() string { return "forget_guest" }

// Name implements Command.
func (c *ForgetWaiter) Name() string { return "forget_waiter" }

// Name implements Command.
func (c *GrantRefund) Name() string { return "grant_refund" }

// Name implements Command.
func (c *JoinWaitingList) Name() string { return "join_waiting_list" }

// Name implements Command.
func (c *LeaveWaitingList) Name() string { return "leave_waiting_list" }

// Name implements Command.
func (c *MarkNoShow) Name() string { return "mark_no_show" }

// Name implements Command.
func (c *ModifyReservation) Name() string { return "modify_reservation" }

// Name implements Command.
func (c *MoveGuest) Name() string { return "move_guest" }

// Name implements Command.
func (c *OfferRooms) Name() string { return "offer_rooms" }

// Name implements Command.
func (c *PayGroup) Name() string { return "pay_group" }

// Name implements Command.
func (c *PlaceGroup) Name() string { return "place_group" }

// Name implements Command.
func (c *PlaceReservation) Name() string { return "place_reservation" }

// Name implements Command.
func (c *RecordPayment) Name() string { return "record_payment" }

// Name implements Command.
func (c *RecordRefund) Name() string { return "record_refund" }

// Name implements Command.
func (c *RequestPayment) Name() string { return "request_payment" }

// Name implements Command.
func (c *SetInventory) Name() string { return "set_inventory" }

// Name implements Command.
func (c *SetRates) Name() string { return "set_rates" }

// Name implements Command.
func (c *SetRestrictions) Name() string { return "set_restrictions" }

// Name implements Command.
func (c *SettleRefund) Name() string { return "settle_refund" }

// Name implements Command.
func (c *SettleRefunds) Name() string { return "settle_refunds" }

// Name implements Command.
func (c *UpdateHotel) Name() string { return "update_hotel" }

// Name implements Command.
func (c *UpdateRatePlan) Name() string { return "update_rate_plan" }

// Name implements Command.
func (c *UpdateRoom) Name() string { return "update_room" }

// Name implements Command.
func (c *UpdateRoomType) Name() string { return "update_room_type" }

// Name implements Command.
func (c *Walk) Name() string { return "walk" }
